"""Run by test_interop.py under the official SDK: a worker of the queue "python" beside ours.

Its activities are called by our workflows, its workflow "drive" calls our activities. Prints "ready", later "holding".
"""
import asyncio
import os
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


def say(text):
    print(text, flush=True)


@activity.defn
async def unsteady(want: dict) -> dict:
    if activity.info().attempt < 3:
        raise ApplicationError("not yet", type="unsteady")
    return {**want, "attempt": activity.info().attempt}


@activity.defn
async def refuse(_=None) -> None:
    raise ApplicationError("no room for it", type="full", non_retryable=True)


@activity.defn
async def nothing(_=None) -> None:
    return None


@activity.defn
async def hold(_=None) -> None:
    """Only the answer to a heartbeat tells that it is to end."""
    say("holding")
    while True:
        activity.heartbeat({"at": "hold"})
        await asyncio.sleep(0.2)


@workflow.defn(name="drive")
class Drive:
    """Calls an activity of ours and tells what came of it. "bytes": its input as bytes instead of JSON."""

    @workflow.run
    async def run(self, want: dict) -> dict:
        given = want["bytes"].encode() if "bytes" in want else want.get("input")
        try:
            value = await workflow.execute_activity(
                want["activity"], given, task_queue="probe", heartbeat_timeout=timedelta(seconds=2),
                schedule_to_close_timeout=timedelta(seconds=30),
                # Nobody waits this long: what is tried again, is after the time that the activity asked for.
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=59), maximum_attempts=want.get("attempts", 0)),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
            return {"value": value}
        except (ActivityError, asyncio.CancelledError) as e:
            if is_cancelled_exception(e):
                return {"cancelled": True}
            return {"type": e.cause.type, "message": e.cause.message, "final": e.cause.non_retryable}


async def main(target):
    client = await Client.connect(target)
    async with Worker(client, task_queue="python", workflows=[Drive], activities=[unsteady, refuse, nothing, hold],
                      workflow_runner=UnsandboxedWorkflowRunner()):
        say("ready")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # the SDK's own threads can abort the interpreter while it ends


asyncio.run(main(sys.argv[1]))
