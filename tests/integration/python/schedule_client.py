"""Seen by the official Python client: `schedule_client.py TARGET ID` prints a schedule as JSON, null if there is none."""
import asyncio
import json
import os
import sys

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode


async def main(target, schedule_id):
    client = await Client.connect(target)
    try:
        d = await client.get_schedule_handle(schedule_id).describe()
    except RPCError as e:
        if e.status != RPCStatusCode.NOT_FOUND:
            raise
        print("null")
        return
    runs = [a.action.workflow_id for a in d.info.recent_actions]
    ended = [(await client.get_workflow_handle(r).describe()).status.name for r in runs]
    action = d.schedule.action
    spec = d.schedule.spec
    print(json.dumps({
        "runs": runs, "ended": ended, "workflow": action.workflow, "queue": action.task_queue,
        "every": [i.every.total_seconds() for i in spec.intervals], "calendars": len(spec.calendars),
        "overlap": d.schedule.policy.overlap.name}))


asyncio.run(main(*sys.argv[1:]))
sys.stdout.flush()
os._exit(0)  # the SDK's own threads now and then abort at the interpreter's end
