// A worker of the queue "typescript" beside ours: its activities are called by our workflows, its workflow
// "drive" (workflows.js) calls our activities. Argument: host:port. Prints "ready", later "holding".
'use strict';
const { ApplicationFailure, Context } = require('@temporalio/activity');
const { DefaultLogger, NativeConnection, Runtime, Worker } = require('@temporalio/worker');

const activities = {
  async unsteady(want) {
    const attempt = Context.current().info.attempt;
    if (attempt < 3) throw ApplicationFailure.retryable('not yet', 'unsteady');
    return { ...want, attempt };
  },
  async refuse() { throw ApplicationFailure.nonRetryable('no room for it', 'full'); },
  async nothing() {},
  async hold() { // only the answer to a heartbeat tells that it is to end
    console.log('holding');
    for (;;) {
      Context.current().heartbeat({ at: 'hold' });
      await Context.current().sleep(200);
    }
  },
};

async function main(target) {
  Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address: target });
  const worker = await Worker.create({ connection, taskQueue: 'typescript', activities,
    workflowsPath: require.resolve('./workflows') });
  process.stdin.resume();
  process.stdin.on('end', () => worker.shutdown()); // ends with its parent
  console.log('ready');
  await worker.run();
  await connection.close();
}

main(process.argv[2]).catch((e) => { console.error(e); process.exit(1); });
