// The workflow of worker.js, bundled by the SDK: calls an activity of ours and tells what came of it.
// "bytes": its input as bytes instead of JSON.
'use strict';
const { ActivityCancellationType, isCancellation, proxyActivities } = require('@temporalio/workflow');

exports.drive = async function drive(want) {
  const ours = proxyActivities({
    taskQueue: 'probe',
    heartbeatTimeout: '2s',
    scheduleToCloseTimeout: '30s',
    // Nobody waits this long: what is tried again, is after the time that the activity asked for.
    retry: { initialInterval: '59s', ...(want.attempts && { maximumAttempts: want.attempts }) },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const input = 'bytes' in want ? Uint8Array.from(want.bytes, (c) => c.charCodeAt(0)) : want.input;
  try {
    return { value: await ours[want.activity](input) ?? null }; // the SDK reads no value as undefined
  } catch (e) {
    if (isCancellation(e)) return { cancelled: true };
    return { type: e.cause.type, message: e.cause.message, final: e.cause.nonRetryable };
  }
};
