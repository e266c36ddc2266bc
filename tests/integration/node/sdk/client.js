// The official client with our worker: starts, signals, cancels and awaits workflows, and looks at how values
// are encoded on their way. Argument: host:port. Exit status 1 and a stack if anything is not as it should be.
'use strict';
const assert = require('node:assert');
const { ApplicationFailure, CancelledFailure, Client, Connection, WorkflowFailedError,
  WorkflowNotFoundError } = require('@temporalio/client');

const START = { taskQueue: 'probe' };

// Encoding and text of the first payload under a field of an event, e.g. of 'input'.
function payload(event, attributes, field) {
  const list = event[attributes][field].payloads;
  assert.equal(list.length, 1);
  return [Buffer.from(list[0].metadata.encoding).toString(), Buffer.from(list[0].data).toString()];
}

async function events(handle, attributes) {
  const { events } = await handle.fetchHistory();
  return events.filter((e) => e[attributes]);
}

async function failure(promise) {
  const e = await promise.then(() => assert.fail('it did not fail'), (error) => error);
  assert(e instanceof WorkflowFailedError, e);
  return e.cause;
}

async function result(client) {
  const five = await client.workflow.start('five', { ...START, workflowId: 'js-five', args: [1] });
  assert.equal(await five.result(), 6);
  const [started] = await events(five, 'workflowExecutionStartedEventAttributes');
  assert.deepEqual(payload(started, 'workflowExecutionStartedEventAttributes', 'input'), ['json/plain', '1']);
  const [asked] = await events(five, 'activityTaskScheduledEventAttributes');
  assert.deepEqual(payload(asked, 'activityTaskScheduledEventAttributes', 'input'), ['json/plain', '1']);
  const [did] = await events(five, 'activityTaskCompletedEventAttributes');
  assert.deepEqual(payload(did, 'activityTaskCompletedEventAttributes', 'result'), ['json/plain', '2']);
  const [ended] = await events(five, 'workflowExecutionCompletedEventAttributes');
  assert.deepEqual(payload(ended, 'workflowExecutionCompletedEventAttributes', 'result'), ['json/plain', '6']);
}

async function signals(client) {
  const handle = await client.workflow.start('signals', { ...START, workflowId: 'js-signals' });
  for (let i = 0; i < 20; i++) await handle.signal('n', i);
  assert.equal(await handle.result(), 190);
  const sent = await events(handle, 'workflowExecutionSignaledEventAttributes');
  assert.deepEqual(payload(sent[19], 'workflowExecutionSignaledEventAttributes', 'input'), ['json/plain', '19']);
}

async function failed(client) {
  const cause = await failure(client.workflow.execute('fails', { ...START, workflowId: 'js-fails' }));
  assert(cause instanceof ApplicationFailure, cause);
  assert.deepEqual([cause.message, cause.type], ['never again', 'final']);
}

// Its activity of ours ends by heartbeat, another undoes; an activity without a result says so as null.
async function cancelled(client) {
  const handle = await client.workflow.start('cancel', { ...START, workflowId: 'js-cancel' });
  while (!(await events(handle, 'activityTaskScheduledEventAttributes')).length) ;
  await handle.cancel();
  const cause = await failure(handle.result());
  assert(cause instanceof CancelledFailure, cause);
  assert.equal((await events(handle, 'activityTaskCanceledEventAttributes')).length, 1);
  const [undone] = await events(handle, 'activityTaskCompletedEventAttributes');
  assert.deepEqual(payload(undone, 'activityTaskCompletedEventAttributes', 'result'), ['binary/null', '']);
}

async function terminated(client) {
  const handle = await client.workflow.start('signals', { ...START, workflowId: 'js-terminated' });
  await handle.terminate('enough');
  assert.equal((await failure(handle.result())).message, 'enough');
  await assert.rejects(handle.signal('n', 1), WorkflowNotFoundError);
}

async function main(target) {
  const connection = await Connection.connect({ address: target });
  const client = new Client({ connection });
  for (const step of [result, signals, failed, cancelled, terminated]) await step(client);
  await connection.close();
}

main(process.argv[2]).catch((e) => { console.error(e); process.exit(1); });
