"""Run by bench_workflows.py under the official Python SDK.

  sdk.py TARGET worker QUEUE   a worker of the workflow "five", as the SDK makes one by default
  sdk.py TARGET client         starts workflows on any worker's queue: one JSON object a line in, one out
"""
import asyncio
import collections
import datetime
import json
import os
import sys
import time

from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker


@activity.defn
async def noop(n: int) -> int:
    return n + 1


@workflow.defn(name="five")
class Five:
    @workflow.run
    async def run(self, n: int) -> int:
        for _ in range(5):
            n = await workflow.execute_activity(noop, n, start_to_close_timeout=datetime.timedelta(seconds=30))
        return n


async def work(client, queue):
    async with Worker(client, task_queue=queue, workflows=[Five], activities=[noop]):
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def waits(history):
    """Milliseconds that a run spent in each way, by its events: until a worker has a task, until it is answered."""
    took, before = collections.Counter(), None
    for e in history.events:
        kind = EventType.Name(e.event_type).removeprefix("EVENT_TYPE_")
        if before and kind.endswith(("TASK_STARTED", "TASK_COMPLETED")):
            took[kind.replace("_TASK", "").lower()] += (e.event_time.ToNanoseconds() - before) / 1e6
        before = e.event_time.ToNanoseconds()
    return took


class Calls:
    def __init__(self, client):
        self.client = client

    async def start(self, type, queue, ids, input):
        handles = [self.client.start_workflow(type, input, id=i, task_queue=queue) for i in ids]
        return [h.id for h in await asyncio.gather(*handles)]

    async def run(self, type, queue, ids, input):
        """Seconds from the first start until the last result."""
        began = time.perf_counter()
        results = await asyncio.gather(*(self.client.execute_workflow(type, input, id=i, task_queue=queue) for i in ids))
        return {"took": time.perf_counter() - began, "results": results}

    async def signal(self, name, ids):
        await asyncio.gather(*(self.client.get_workflow_handle(i).signal(name) for i in ids))

    async def events(self, ids):
        """How many events each has, and the id of the last."""
        return [(await self.client.get_workflow_handle(i).describe()).history_length for i in ids]

    async def waits(self, ids):
        return [waits(await self.client.get_workflow_handle(i).fetch_history()) for i in ids]


async def serve(client):
    calls, loop = Calls(client), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, args = json.loads(line)
        print(json.dumps(await getattr(calls, name)(**args)), flush=True)


async def main(target, role, *queue):
    client = await Client.connect(target)
    await (work(client, *queue) if role == "worker" else serve(client))


if __name__ == "__main__":  # the SDK reads this file again for the workflow in it
    asyncio.run(main(*sys.argv[1:]))
    os._exit(0)  # the SDK's own threads can abort the interpreter while it ends
