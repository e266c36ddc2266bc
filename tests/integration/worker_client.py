"""Run by test_worker.py under the official SDK: a foreign client of the workflows that we carry out."""
import asyncio
import os
import sys

from temporalio.client import Client, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError, CancelledError


async def main(target):
    client = await Client.connect(target)

    assert await client.execute_workflow("five", 1, id="py-five", task_queue="probe") == 6

    signals = await client.start_workflow("signals", id="py-signals", task_queue="probe")
    for i in range(20):
        await signals.signal("n", i)
    assert await signals.result() == sum(range(20))

    try:
        await client.execute_workflow("fails", id="py-fails", task_queue="probe")
        raise AssertionError("it did not fail")
    except WorkflowFailureError as e:
        assert isinstance(e.cause, ApplicationError), e.cause
        assert e.cause.message == "never again" and e.cause.type == "final", e.cause

    changing = await client.start_workflow("changing", id="py-changing", task_queue="probe")
    for when in ("running", "ended"):
        try:
            await changing.query("state")
            raise AssertionError("the query was answered")
        except WorkflowQueryFailedError as e:
            assert "answers no queries" in str(e), (when, e)
        if when == "running":
            await changing.signal("go")
            assert await changing.result() == 3

    long = await client.start_workflow("cancel", id="py-cancel", task_queue="probe")
    await long.cancel()
    try:
        await long.result()
        raise AssertionError("it was not cancelled")
    except WorkflowFailureError as e:
        assert isinstance(e.cause, CancelledError), e.cause


asyncio.run(main(sys.argv[1]))
os._exit(0)  # the SDK's own threads can abort the interpreter while it ends
