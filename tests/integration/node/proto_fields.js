// Compares a subset .proto (argument 1) with the official descriptor: prints one line for each
// difference, then "compared <messages> messages, <fields> fields". Exit status 1 on any difference.
'use strict';
const protobuf = require('protobufjs');
const official = protobuf.Root.fromJSON(require('@temporalio/proto/protos/json-module').toJSON());

// Messages whose official name differs, or is not unique in temporal.api.
const NAMES = {
  Duration: 'google.protobuf.Duration',
  Timestamp: 'google.protobuf.Timestamp',
  Any: 'google.protobuf.Any',
  Failure: 'temporal.api.failure.v1.Failure',
  Status: null, // google.rpc.Status is not in the package: checked below
};
const STATUS = { code: [1, 'int32'], message: [2, 'string'], details: [3, 'Any'] };

function messages(ns, out) {
  for (const o of ns.nestedArray) {
    if (o instanceof protobuf.Type) out.push(o);
    if (o instanceof protobuf.Namespace) messages(o, out);
  }
  return out;
}

// What the wire depends on, with the names of messages shortened to their last part.
function shape(field) {
  field.resolve();
  let type = field.type;
  if (field.resolvedType instanceof protobuf.Enum) type = 'int32';
  else if (field.resolvedType) type = field.resolvedType.name;
  const key = field instanceof protobuf.MapField ? `map<${field.keyType}> ` : '';
  const oneof = field.partOf && !field.partOf.name.startsWith('_') ? ' in a oneof' : '';
  return `${field.id} ${key}${field.repeated ? 'repeated ' : ''}${type}${oneof}`;
}

function compare(ours, theirs, say) {
  for (const f of ours.fieldsArray) {
    const g = theirs.fields[f.name] || theirs.fields[f.name.replace(/[A-Z]/g, (c) => '_' + c.toLowerCase())];
    if (!g) say(`${ours.name}.${f.name}: the official message has no such field`);
    else if (shape(f) !== shape(g)) say(`${ours.name}.${f.name}: ${shape(f)}, official: ${shape(g)}`);
  }
  return ours.fieldsArray.length;
}

function main(path) {
  const root = protobuf.loadSync(path);
  const api = messages(official.lookup('temporal.api'), []);
  let fields = 0, count = 0, bad = 0;
  const say = (text) => { console.log(text); bad++; };
  for (const ours of messages(root, [])) {
    count++;
    if (NAMES[ours.name] === null) {
      for (const f of ours.fieldsArray) {
        f.resolve();
        const [id, type] = STATUS[f.name];
        if (f.id !== id || f.type !== type || f.repeated !== (type === 'Any')) say(`Status.${f.name}: wrong`);
      }
      continue;
    }
    const found = NAMES[ours.name] ? [official.lookupType(NAMES[ours.name])] : api.filter((t) => t.name === ours.name);
    if (found.length !== 1) say(`${ours.name}: ${found.length} official messages of that name`);
    else fields += compare(ours, found[0], say);
  }
  console.log(`compared ${count} messages, ${fields} fields`);
  return bad || !fields ? 1 : 0;
}

process.exit(main(process.argv[2]));
