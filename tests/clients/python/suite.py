"""Drives a server with the Python SDK and prints one JSON line for each case: {"name", "ok", "seconds", "error"}.

    suite.py --address HOST:PORT [--only NAME]
"""

import argparse
import asyncio
import os
import sys
import json
import logging
import time
import traceback
import uuid
from datetime import timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import CancelledError, TerminatedError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, Worker

import workflows as w

CASE_TIMEOUT_SECONDS = 45
CONDITION_INTERVAL_SECONDS = 0.025
CASES = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


class Suite:
    def __init__(self, client: Client, task_queue: str) -> None:
        self.client, self.task_queue = client, task_queue

    def id(self) -> str:
        return f"python-{uuid.uuid4()}"

    async def start(self, run, *args, **options):
        options = {"id": self.id(), "task_queue": self.task_queue, **options}
        return await self.client.start_workflow(run, args=list(args), **options)

    async def events(self, handle):
        return [event.event_type async for event in handle.fetch_history_events()]


async def eventually(what, condition):
    while True:
        if await condition():
            return
        await asyncio.sleep(CONDITION_INTERVAL_SECONDS)


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


async def fails(awaitable, kind):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@case
async def start(s: Suite):
    handle = await s.start(w.Echo.run, "hello")
    assert handle.first_execution_run_id
    equal(await handle.result(), "echo hello")


@case
async def execute(s: Suite):
    workflow_id = s.id()
    result = await s.client.execute_workflow(w.WithActivity.run, 1, id=workflow_id, task_queue=s.task_queue)
    equal(result, "succeeded at attempt 1")
    history = await s.client.get_workflow_handle(workflow_id).fetch_history()
    await Replayer(workflows=[w.WithActivity]).replay_workflow(history)


@case
async def signal(s: Suite):
    handle = await s.start(w.Collect.run, 3)
    for text in "abc":
        await handle.signal(w.Collect.text, text)
    equal(await handle.result(), ["a", "b", "c"])
    error = await fails(s.client.get_workflow_handle(s.id()).signal("text", "a"), RPCError)
    equal(error.status, RPCStatusCode.NOT_FOUND)


@case
async def signal_with_start(s: Suite):
    workflow_id = s.id()
    for text in ("first", "second"):
        handle = await s.start(w.Collect.run, 2, id=workflow_id, start_signal="text", start_signal_args=[text])
    equal(await handle.result(), ["first", "second"])


@case
async def query(s: Suite):
    handle = await s.start(w.Counter.run, 5)
    equal(await handle.query(w.Counter.value), 5)
    await fails(handle.query("unknown"), WorkflowQueryFailedError)
    await handle.signal(w.Counter.finish)
    equal(await handle.result(), 5)
    equal(await handle.query(w.Counter.value), 5)


@case
async def update(s: Suite):
    handle = await s.start(w.Counter.run, 1)
    equal(await handle.execute_update(w.Counter.add, 2), 3)
    accepted = await handle.start_update(w.Counter.add, 4, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    again = handle.get_update_handle(accepted.id, result_type=int)
    equal(await again.result(), 7)
    error = await fails(handle.execute_update(w.Counter.add, 0), WorkflowUpdateFailedError)
    assert "delta must be positive" in str(error.cause)
    await handle.signal(w.Counter.finish)
    equal(await handle.result(), 7)


@case
async def update_with_start(s: Suite):
    workflow_id = s.id()
    for want in (12, 14):
        operation = WithStartWorkflowOperation(
            w.Counter.run, 10, id=workflow_id, task_queue=s.task_queue, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        got = await s.client.execute_update_with_start_workflow(w.Counter.add, 2, start_workflow_operation=operation)
        equal(got, want)
    handle = await operation.workflow_handle()
    await handle.signal(w.Counter.finish)
    equal(await handle.result(), 14)


@case
async def cancel(s: Suite):
    handle = await s.start(w.Cleanup.run)

    async def timer_started():
        return EventType.EVENT_TYPE_TIMER_STARTED in await s.events(handle)

    await eventually("the timer starts", timer_started)
    await handle.cancel()
    error = await fails(handle.result(), WorkflowFailureError)
    assert isinstance(error.cause, CancelledError), error.cause
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in await s.events(handle), "no clean-up"


@case
async def terminate(s: Suite):
    handle = await s.start(w.Cleanup.run)
    await handle.terminate("enough")
    error = await fails(handle.result(), WorkflowFailureError)
    assert isinstance(error.cause, TerminatedError), error.cause
    equal((await handle.describe()).status, WorkflowExecutionStatus.TERMINATED)


@case
async def child(s: Suite):
    equal(await (await s.start(w.Parent.run, "child")).result(), "parent of echo child")


@case
async def child_cancel(s: Suite):
    equal(await (await s.start(w.ChildCancelled.run)).result(), "child cancelled")


@case
async def external_cancel(s: Suite):
    victim = await s.start(w.Cleanup.run)
    await (await s.start(w.Cancelling.run, victim.id)).result()
    error = await fails(victim.result(), WorkflowFailureError)
    assert isinstance(error.cause, CancelledError), error.cause


@case
async def continue_as_new(s: Suite):
    handle = await s.start(w.Continued.run, 2, 0)
    equal(await handle.result(), 2)
    last = await s.client.get_workflow_handle(handle.id).describe()
    assert last.run_id != handle.first_execution_run_id
    first = await s.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).describe()
    equal(first.status, WorkflowExecutionStatus.CONTINUED_AS_NEW)


@case
async def cron(s: Suite):
    handle = await s.start(w.Cron.run, cron_schedule="@every 1s")
    current = s.client.get_workflow_handle(handle.id)

    async def second_run():
        return (await current.describe()).run_id != handle.first_execution_run_id

    await eventually("the second run begins", second_run)
    started = [event async for event in current.fetch_history_events()][0].workflow_execution_started_event_attributes
    equal(started.last_completion_result.payloads[0].data, b"1")
    await current.terminate("seen enough")


@case
async def retry(s: Suite):
    handle = await s.start(w.WithActivity.run, 3)
    equal(await handle.result(), "succeeded at attempt 3")
    policy = RetryPolicy(initial_interval=w.SOON, maximum_attempts=3)
    equal(await (await s.start(w.Flaky.run, 2, retry_policy=policy)).result(), 2)


@case
async def heartbeat(s: Suite):
    equal(await (await s.start(w.Heartbeat.run)).result(), 7)


@case
async def heartbeat_timeout(s: Suite):
    equal(await (await s.start(w.HeartbeatTimeout.run)).result(), "HEARTBEAT after one beat")


@case
async def async_completion(s: Suite):
    handle = await s.start(w.Outside.run)

    async def activity_started():
        pending = (await handle.describe()).raw_description.pending_activities
        return len(pending) == 1 and pending[0].state == 2

    await eventually("the activity starts", activity_started)
    outside = s.client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id="outside")
    await outside.heartbeat("alive")
    await outside.complete("by id")
    equal(await handle.result(), "by id")
    error = await fails(outside.complete("twice"), RPCError)
    equal(error.status, RPCStatusCode.NOT_FOUND)


@case
async def local_activity(s: Suite):
    handle = await s.start(w.LocalActivity.run)
    equal(await handle.result(), "succeeded at attempt 2")
    equal((await s.events(handle)).count(EventType.EVENT_TYPE_MARKER_RECORDED), 1)


@case
async def timers(s: Suite):
    handle = await s.start(w.Timers.run)
    equal(await handle.result(), "fired and cancelled")
    events = await s.events(handle)
    equal(events.count(EventType.EVENT_TYPE_TIMER_FIRED), 1)
    equal(events.count(EventType.EVENT_TYPE_TIMER_CANCELED), 1)


async def closed_runs(s: Suite, count: int) -> tuple[str, list[str]]:
    prefix = s.id()
    ids = [f"{prefix}-{i}" for i in range(count)]
    for workflow_id in ids:
        await (await s.start(w.Echo.run, "listed", id=workflow_id)).result()
    return f"WorkflowId STARTS_WITH '{prefix}' AND ExecutionStatus = 'Completed'", ids


@case
async def list_(s: Suite):
    query, ids = await closed_runs(s, 5)

    async def all_listed():
        return [run.id async for run in s.client.list_workflows(query, page_size=2)] == list(reversed(ids))

    await eventually("all runs are listed, newest first", all_listed)


@case
async def count(s: Suite):
    query, ids = await closed_runs(s, 3)

    async def all_counted():
        return (await s.client.count_workflows(query)).count == len(ids)

    await eventually("all runs are counted", all_counted)


@case
async def describe(s: Suite):
    handle = await s.start(w.Counter.run, 0, memo={"given": "at start"})
    description = await handle.describe()
    equal(description.workflow_type, "Counter")
    equal(description.status, WorkflowExecutionStatus.RUNNING)
    equal(await description.memo(), {"given": "at start"})
    await fails(s.start(w.Counter.run, 0, id=handle.id), WorkflowAlreadyStartedError)
    await handle.terminate()
    missing = await fails(s.client.get_workflow_handle(s.id()).describe(), RPCError)
    equal(missing.status, RPCStatusCode.NOT_FOUND)


@case
async def show(s: Suite):
    handle = await s.start(w.Timers.run)
    numbers = [event.event_id async for event in handle.fetch_history_events(wait_new_event=True)]
    equal(numbers, list(range(1, len(numbers) + 1)))
    equal((await s.events(handle))[-1], EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)


async def run_case(name, function, suite):
    started, error = time.monotonic(), ""
    try:
        await asyncio.wait_for(function(suite), CASE_TIMEOUT_SECONDS)
    except Exception:
        error = traceback.format_exc()
    seconds = round(time.monotonic() - started, 3)
    print(json.dumps({"name": name.rstrip("-"), "ok": not error, "seconds": seconds, "error": error}), flush=True)


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    client = await Client.connect(options.address)
    task_queue = f"python-{uuid.uuid4()}"
    worker = Worker(
        client,
        task_queue=task_queue,
        workflows=w.WORKFLOWS,
        activities=w.ACTIVITIES,
        graceful_shutdown_timeout=timedelta(0),
    )
    async with worker:
        chosen = {name: function for name, function in CASES.items() if options.only in ("", name.rstrip("-"))}
        await asyncio.gather(*(run_case(name, function, Suite(client, task_queue)) for name, function in chosen.items()))


if __name__ == "__main__":
    asyncio.run(main())
    # The SDK's native threads may outlive the interpreter and abort the process
    # while it finalises. All is reported by now: leave at once.
    sys.stdout.flush()
    os._exit(0)
