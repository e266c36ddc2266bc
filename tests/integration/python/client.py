"""Run by test_interop.py under the official SDK: a foreign client of the workflows that we carry out."""
import asyncio
import os
import sys

from temporalio.client import Client, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError, CancelledError


async def failure(promise):
    try:
        await promise
    except WorkflowFailureError as e:
        return e.cause
    raise AssertionError("it did not fail")


async def payload(handle, attributes, field):
    """Encoding and text of the first value under a field of the first such event."""
    history = await handle.fetch_history()
    event = next(e for e in history.events if e.HasField(attributes))
    first = getattr(getattr(event, attributes), field).payloads[0]
    return first.metadata["encoding"], first.data


async def main(target):
    client = await Client.connect(target)

    five = await client.start_workflow("five", 1, id="py-five", task_queue="probe")
    assert await five.result() == 6
    for attributes, field, text in (("workflow_execution_started_event_attributes", "input", b"1"),
                                    ("activity_task_scheduled_event_attributes", "input", b"1"),
                                    ("activity_task_completed_event_attributes", "result", b"2"),
                                    ("workflow_execution_completed_event_attributes", "result", b"6")):
        assert await payload(five, attributes, field) == (b"json/plain", text), attributes

    signals = await client.start_workflow("signals", id="py-signals", task_queue="probe")
    for i in range(20):
        await signals.signal("n", i)
    assert await signals.result() == sum(range(20))

    cause = await failure(client.execute_workflow("fails", id="py-fails", task_queue="probe"))
    assert isinstance(cause, ApplicationError), cause
    assert cause.message == "never again" and cause.type == "final", cause

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
    assert isinstance(await failure(long.result()), CancelledError)


asyncio.run(main(sys.argv[1]))
os._exit(0)  # the SDK's own threads can abort the interpreter while it ends
