// A gRPC server made with @grpc/grpc-js. Arguments: port (0 = any), channel options as JSON.
// Prints "port N" when it listens. Every method is /test.Peer/<name>, messages are plain bytes:
//   Echo    the request              Sleep   after as many ms as the request says, unless cancelled
//   Big     as many bytes as asked   Fail    {code, message, details} of the request as its status
//   Seen    what has happened so far, as JSON
'use strict';
const grpc = require('@grpc/grpc-js');

const seen = { calls: 0, cancelled: 0, ended: 0, metadata: {}, deadline_ms: 0, received: 0 };

function pattern(n) {
  const b = Buffer.allocUnsafe(n);
  for (let i = 0; i < n; i++) b[i] = (i * 7) & 255;
  return b;
}

const methods = {
  Echo: (call, reply) => reply(null, call.request),
  Big: (call, reply) => reply(null, pattern(Number(call.request.toString()))),
  Sleep: (call, reply) => {
    const timer = setTimeout(() => { seen.ended++; reply(null, call.request); }, Number(call.request.toString()));
    call.on('cancelled', () => { clearTimeout(timer); seen.cancelled++; });
  },
  Fail: (call, reply) => {
    const want = JSON.parse(call.request.toString());
    const metadata = new grpc.Metadata();
    if (want.details) metadata.set('grpc-status-details-bin', Buffer.from(want.details, 'hex'));
    reply({ code: want.code, details: want.message, metadata });
  },
  Seen: (call, reply) => reply(null, Buffer.from(JSON.stringify(seen))),
};

const plain = (bytes) => bytes;
const definition = {}, handlers = {};
for (const [name, run] of Object.entries(methods)) {
  definition[name] = { path: `/test.Peer/${name}`, requestStream: false, responseStream: false,
    requestSerialize: plain, requestDeserialize: plain, responseSerialize: plain, responseDeserialize: plain };
  handlers[name] = (call, reply) => {
    if (name !== 'Seen') {
      seen.calls++;
      seen.metadata = call.metadata.getMap();
      seen.received += call.request.length;
      seen.deadline_ms = call.getDeadline() instanceof Date ? call.getDeadline() - Date.now() : call.getDeadline() - Date.now();
    }
    run(call, reply);
  };
}

const server = new grpc.Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1,
  ...JSON.parse(process.argv[3] || '{}') });
server.addService(definition, handlers);
server.bindAsync(`127.0.0.1:${process.argv[2] || 0}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`port ${port}`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0)); // ends with its parent
