// An HTTP/2 server that answers as badly as the path says. Arguments: port (0 = any), settings as JSON.
// Prints "port N" when it listens. Paths are /test.Rude/<name>[/<argument>]:
//   Ok           a good answer               Reset/N      RST_STREAM with that code, no answer
//   Split        prefix cut in five frames   NoStatus     DATA, then the end without a status
//   Http/N       an HTTP status, HTML body   Html         200 and HTML
//   Eof          closes the connection       Flag         the compressed flag is set
//   Long         bytes after the message     Short        OK with half a message
//   Never        no answer at all
//   Refuse/N     RST_STREAM(REFUSED_STREAM) for the first N requests, then a good answer
//   Goaway       a GOAWAY that says this stream was never processed, then closes; good the next time
//   Slow         reads nothing of the request until a call of Go, then piece by piece; answers how much it was
//   Stall        the first one stops the whole server for 2 s; a good answer once the request is read
//   Seen         what has happened so far, as JSON
'use strict';
const http2 = require('node:http2');

const seen = { sessions: 0, cancelled: 0, refused: 0, went: 0 };
const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

function frame(body, flag = 0) {
  const b = Buffer.alloc(5 + body.length);
  b[0] = flag;
  b.writeUInt32BE(body.length, 1);
  Buffer.from(body).copy(b, 5);
  return b;
}

function answer(stream, data, trailers = { 'grpc-status': '0' }) {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(data);
}

async function split(stream) {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  for (const byte of frame('split')) {
    stream.write(Buffer.from([byte]));
    await new Promise((next) => setTimeout(next, 5));
  }
  stream.end();
}

const rude = {
  Ok: (s) => answer(s, frame('ok')),
  Split: (s) => split(s),
  NoStatus: (s) => { s.respond(HEAD); s.end(frame('whole')); },
  Http: (s, arg) => { s.respond({ ':status': Number(arg), 'content-type': 'text/html' }); s.end('<h1>no</h1>'); },
  Html: (s) => { s.respond({ ':status': 200, 'content-type': 'text/html' }); s.end('<h1>hello</h1>'); },
  Eof: (s) => s.session.destroy(),
  Flag: (s) => answer(s, frame('zip', 1)),
  Long: (s) => answer(s, Buffer.concat([frame('a'), frame('b')])),
  Short: (s) => answer(s, frame('half').subarray(0, 7)),
  Reset: (s, arg) => s.close(Number(arg)),
  Refuse: (s, arg) => {
    if (seen.refused++ < Number(arg)) s.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    else answer(s, frame('accepted'));
  },
  Never: () => {},
  Goaway: (s) => {
    if (seen.went++) { answer(s, frame('moved')); return; }
    s.session.goaway(0, s.id - 2); // this stream comes after the last one that counts
    setTimeout(() => s.session && s.session.destroy(), 200);
  },
  Stall: (s) => answer(s, frame('late')),
  Go: (s) => { held.splice(0).forEach((read) => read()); answer(s, frame('ok')); },
  Seen: (s) => answer(s, frame(JSON.stringify(seen))),
};

const held = [];

function slow(stream) {
  held.push(() => {
    let bytes = 0;
    stream.on('data', (piece) => {
      bytes += piece.length;
      stream.pause();
      setImmediate(() => stream.resume());
    });
    stream.on('end', () => answer(stream, frame(String(bytes))));
  });
}

let stalled = false;

function stall() {
  if (!stalled) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
  stalled = true;
}

const server = http2.createServer({ settings: JSON.parse(process.argv[3] || '{}') });
server.on('session', (session) => { seen.sessions++; session.setLocalWindowSize(64 << 20); });
server.on('sessionError', () => {});
server.on('stream', (stream, headers) => {
  const [, , name, arg] = headers[':path'].split('/');
  stream.on('error', () => {});
  stream.on('close', () => { seen.cancelled += stream.rstCode === http2.constants.NGHTTP2_CANCEL; });
  if (name === 'Slow') { slow(stream); return; }
  stream.resume();
  if (name === 'Stall') stall();
  stream.on('end', () => rude[name](stream, arg));
});
server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => console.log(`port ${server.address().port}`));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0)); // ends with its parent
