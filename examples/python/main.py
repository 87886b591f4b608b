"""Runs the order example: a worker and a client in one process."""

import argparse
import asyncio
import os
import sys
import logging
import uuid

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.worker import Worker

from order import TASK_QUEUE, Order, ProcessOrder, ShipParcel, charge_card, reserve_item

STORY_TIMEOUT_SECONDS = 60
POLL_INTERVAL_SECONDS = 0.05


def say(step: str, text: str) -> None:
    print(f"  {step:<8} {text}")


async def await_status(handle: WorkflowHandle, wanted: str) -> None:
    while await handle.query(ProcessOrder.status) != wanted:
        await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def listed_status(client: Client, workflow_id: str) -> str:
    """Lists follow writes a moment later, so the search is asked until it shows the run."""
    query = f"WorkflowType = 'ProcessOrder' AND WorkflowId = '{workflow_id}' AND ExecutionStatus = 'Completed'"
    while True:
        async for execution in client.list_workflows(query):
            return execution.status.name
        await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def tell(client: Client) -> None:
    order = Order(f"order-{uuid.uuid4().hex[:8]}", "lamp", 4200, "1 Old Lane", 1.0)
    handle = await client.start_workflow(ProcessOrder.run, order, id=order.id, task_queue=TASK_QUEUE)
    say("start", f"order {handle.id}, run {handle.first_execution_run_id}")
    await await_status(handle, "waiting for approval")
    say("query", "status is 'waiting for approval'")
    try:
        await handle.execute_update(ProcessOrder.change_address, "")
        raise SystemExit("update: an empty address was taken")
    except WorkflowUpdateFailedError as error:
        say("update", f"empty address refused: {error.cause}")
    previous = await handle.execute_update(ProcessOrder.change_address, "7 Harbour Road")
    say("update", f"address is now '7 Harbour Road', was '{previous}'")
    await handle.signal(ProcessOrder.approve, "Ada")
    say("signal", "approved by Ada")
    receipt = await handle.result()
    say("result", f"paid {receipt.payment_id}, parcel {receipt.parcel}")
    say("list", f"{handle.id} is {await listed_status(client, handle.id)}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:7233", help="host:port of the server")
    parser.add_argument("--namespace", default="default", help="namespace to run in")
    options = parser.parse_args()
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # what failed and was retried is in the history
    client = await Client.connect(options.address, namespace=options.namespace)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[ProcessOrder, ShipParcel],
        activities=[reserve_item, charge_card],
    )
    async with worker:
        await asyncio.wait_for(tell(client), STORY_TIMEOUT_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
    # The SDK's native threads may abort the process while the interpreter
    # finalises: leave at once.
    sys.stdout.flush()
    os._exit(0)
