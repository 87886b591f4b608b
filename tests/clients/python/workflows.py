"""The workflows and activities of the Python suite. Each does one thing; suite.py says what must be seen from outside."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError

QUICK = timedelta(seconds=10)
SOON = timedelta(milliseconds=100)


@activity.defn
async def succeed_at(attempt: int) -> str:
    now = activity.info().attempt
    if now < attempt:
        raise RuntimeError(f"attempt {now} fails")
    return f"succeeded at attempt {attempt}"


@activity.defn
async def resume_from_heartbeat() -> int:
    details = activity.info().heartbeat_details
    if not details:
        activity.heartbeat(7)
        raise RuntimeError("fails after its heartbeat")
    return details[0]


@activity.defn
async def beat_once_then_hang() -> None:
    activity.heartbeat("one beat")
    await asyncio.Event().wait()


@activity.defn
async def complete_outside() -> str:
    activity.raise_complete_async()


@workflow.defn
class Echo:
    @workflow.run
    async def run(self, text: str) -> str:
        return f"echo {text}"


@workflow.defn
class WithActivity:
    @workflow.run
    async def run(self, succeed: int) -> str:
        retry = RetryPolicy(initial_interval=SOON, backoff_coefficient=1)
        return await workflow.execute_activity(succeed_at, succeed, start_to_close_timeout=QUICK, retry_policy=retry)


@workflow.defn
class Collect:
    def __init__(self) -> None:
        self.received: list[str] = []

    @workflow.run
    async def run(self, count: int) -> list[str]:
        await workflow.wait_condition(lambda: len(self.received) >= count)
        return self.received

    @workflow.signal
    def text(self, text: str) -> None:
        self.received.append(text)


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self._value = 0
        self.finished = False

    @workflow.run
    async def run(self, start: int) -> int:
        self._value += start
        await workflow.wait_condition(lambda: self.finished)
        return self._value

    @workflow.query
    def value(self) -> int:
        return self._value

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.update
    async def add(self, delta: int) -> int:
        await workflow.execute_activity(succeed_at, 1, start_to_close_timeout=QUICK)
        self._value += delta
        return self._value

    @add.validator
    def check(self, delta: int) -> None:
        if delta <= 0:
            raise ValueError("delta must be positive")


@workflow.defn
class Cleanup:
    @workflow.run
    async def run(self) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.shield(
                workflow.execute_activity(succeed_at, 1, start_to_close_timeout=QUICK)
            )
            raise


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, text: str) -> str:
        return "parent of " + await workflow.execute_child_workflow(Echo.run, text)


@workflow.defn
class Continued:
    @workflow.run
    async def run(self, remaining: int, done: int) -> int:
        if remaining > 0:
            workflow.continue_as_new(args=[remaining - 1, done + 1])
        return done


@workflow.defn
class Cron:
    @workflow.run
    async def run(self) -> int:
        previous = workflow.get_last_completion_result(int) if workflow.has_last_completion_result() else 0
        return (previous or 0) + 1


@workflow.defn
class Heartbeat:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            resume_from_heartbeat,
            start_to_close_timeout=QUICK,
            heartbeat_timeout=QUICK,
            retry_policy=RetryPolicy(initial_interval=SOON),
        )


@workflow.defn
class HeartbeatTimeout:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(
                beat_once_then_hang,
                start_to_close_timeout=timedelta(minutes=1),
                heartbeat_timeout=timedelta(seconds=1),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, TimeoutError) and cause.type is not None:
                return f"{cause.type.name} after {cause.last_heartbeat_details[0]}"
            raise
        raise ApplicationError("no time-out", non_retryable=True)


@workflow.defn
class Outside:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            complete_outside, activity_id="outside", start_to_close_timeout=timedelta(minutes=1)
        )


@workflow.defn
class LocalActivity:
    @workflow.run
    async def run(self) -> str:
        retry = RetryPolicy(initial_interval=timedelta(milliseconds=1), backoff_coefficient=1)
        return await workflow.execute_local_activity(
            succeed_at, 2, schedule_to_close_timeout=QUICK, retry_policy=retry
        )


@workflow.defn
class Timers:
    @workflow.run
    async def run(self) -> str:
        long = asyncio.create_task(asyncio.sleep(3600))
        start = workflow.now()
        await asyncio.sleep(SOON.total_seconds())
        if workflow.now() - start < SOON:
            raise ApplicationError("the timer fired too early", non_retryable=True)
        long.cancel()
        try:
            await long
        except asyncio.CancelledError:
            return "fired and cancelled"
        raise ApplicationError("the long timer was not cancelled", non_retryable=True)


@workflow.defn
class Flaky:
    @workflow.run
    async def run(self, succeed: int) -> int:
        attempt = workflow.info().attempt
        if attempt < succeed:
            raise ApplicationError(f"attempt {attempt} fails")
        return attempt


@workflow.defn
class Cancelling:
    """Cancels another workflow and signals it, as an outsider inside the cluster."""

    @workflow.run
    async def run(self, workflow_id: str) -> None:
        await workflow.get_external_workflow_handle(workflow_id).cancel()


@workflow.defn
class ChildCancelled:
    @workflow.run
    async def run(self) -> str:
        child = await workflow.start_child_workflow(Cleanup.run)
        child.cancel()
        try:
            await child
        except Exception as error:  # ChildWorkflowError with the cancellation as its cause
            if isinstance(getattr(error, "cause", None), CancelledError):
                return "child cancelled"
            raise
        raise ApplicationError("the child was not cancelled", non_retryable=True)


WORKFLOWS = [
    Echo, WithActivity, Collect, Counter, Cleanup, Parent, Continued, Cron, Heartbeat, HeartbeatTimeout, Outside,
    LocalActivity, Timers, Flaky, Cancelling, ChildCancelled,
]  # fmt: skip
ACTIVITIES = [succeed_at, resume_from_heartbeat, beat_once_then_hang, complete_outside]
