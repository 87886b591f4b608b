"""A small shop: one workflow takes an order from payment to delivery."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Optional

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

TASK_QUEUE = "orders-python"
CHARGE_ATTEMPTS_UNTIL_SUCCESS = 3


@dataclass
class Order:
    id: str
    item: str
    amount_cents: int
    address: str
    packing_seconds: float


@dataclass
class Receipt:
    order_id: str
    payment_id: str
    approver: str
    address: str
    parcel: str


@activity.defn
async def reserve_item(order: Order) -> str:
    return f"shelf 7, {order.item}"


@activity.defn
async def charge_card(order: Order) -> str:
    """Fails twice. The attempt is the server's count, so a retry on another worker works too."""
    attempt = activity.info().attempt
    if attempt < CHARGE_ATTEMPTS_UNTIL_SUCCESS:
        raise RuntimeError(f"card service unavailable (attempt {attempt})")
    return f"payment-{order.id}-{order.amount_cents}"


@workflow.defn
class ShipParcel:
    @workflow.run
    async def run(self, item: str, address: str) -> str:
        return f"{item} to {address} as {workflow.info().workflow_id}"


@workflow.defn
class ProcessOrder:
    def __init__(self) -> None:
        self._status = "reserving"
        self._address = ""
        self._approver: Optional[str] = None

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        self._address = self._address or order.address
        options = dict(
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200)),
        )
        await workflow.execute_activity(reserve_item, order, **options)
        self._status = "charging"
        payment_id = await workflow.execute_activity(charge_card, order, **options)
        self._status = "waiting for approval"
        await workflow.wait_condition(lambda: self._approver is not None)
        self._status = "packing"
        await asyncio.sleep(order.packing_seconds)
        self._status = "shipping"
        parcel = await workflow.execute_child_workflow(
            ShipParcel.run, args=[order.item, self._address], id=f"{order.id}-parcel"
        )
        self._status = "delivered"
        return Receipt(order.id, payment_id, self._approver or "", self._address, parcel)

    @workflow.signal
    def approve(self, approver: str) -> None:
        self._approver = approver

    @workflow.query
    def status(self) -> str:
        return self._status

    @workflow.update
    def change_address(self, address: str) -> str:
        previous, self._address = self._address, address
        return previous

    @change_address.validator
    def check_address(self, address: str) -> None:
        if not address:
            raise ValueError("an address must not be empty")
