/**
 * What runs in a worker thread, as plain JavaScript: a worker is started from a text so that it is the same from sources
 * and when built. Each evaluation finds an instance as it was made, so nothing of one call is left for the next: it is put
 * back to that state where the module's state can be seen, and is a new one where it cannot.
 *
 * `claims` holds what became of the question in each place: its number while it waits, less than 0 while it is worked
 * on, 0 afterwards or when it was taken back.
 */
export const workerSource = `
const { parentPort, workerData } = require('node:worker_threads');
const { input_bytes, output_bytes, claims } = workerData;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const modules = new Map();

function started({ module, rewind }) {
  const { exports } = new WebAssembly.Instance(module, {});
  if (typeof exports._initialize === 'function') exports._initialize();
  const version = exports.abi_version();
  if (version !== 1) throw new Misfit('it speaks version ' + version + ' of the ABI, not 1');
  if (rewind === undefined) return { exports };
  const globals = rewind.globals.map((name) => ({ global: exports[name], value: exports[name].value }));
  const table = rewind.table === undefined ? undefined : exports[rewind.table];
  const entries = table === undefined ? [] : Array.from({ length: table.length }, (_, at) => table.get(at));
  return { exports, globals, table, entries, bytes: new Uint8Array(exports.memory.buffer).slice() };
}

/** Whether the instance is again as it was made; one whose memory or table has grown stays so. */
function rewound({ exports, globals, table, entries, bytes }) {
  if (bytes === undefined || exports.memory.buffer.byteLength !== bytes.length) return false;
  if (table !== undefined) {
    if (table.length !== entries.length) return false;
    for (let at = 0; at < entries.length; at++) if (table.get(at) !== entries[at]) table.set(at, entries[at]);
  }
  for (const { global, value } of globals) global.value = value;
  new Uint8Array(exports.memory.buffer).set(bytes);
  return true;
}

class Misfit extends Error {}

function output({ memory, alloc, evaluate }, text) {
  const input = encoder.encode(text);
  if (input.length > input_bytes) throw new Misfit('its input is larger than ' + input_bytes + ' bytes');
  const at = alloc(input.length) >>> 0;
  if (at === 0 || at + input.length > memory.buffer.byteLength)
    throw new Misfit('alloc gave a place outside of its memory');
  new Uint8Array(memory.buffer, at, input.length).set(input);
  const packed = evaluate(at, input.length);
  if (typeof packed !== 'bigint') throw new Misfit('evaluate did not give a 64-bit number');
  const unsigned = BigInt.asUintN(64, packed);
  const [from, length] = [Number(unsigned >> 32n), Number(unsigned & 0xffffffffn)];
  if (length > output_bytes) throw new Misfit('its output is larger than ' + output_bytes + ' bytes');
  if (from + length > memory.buffer.byteLength) throw new Misfit('its output lies outside of its memory');
  return decoder.decode(new Uint8Array(memory.buffer, from, length));
}

function evaluated(known, text) {
  const instance = known.instance ?? started(known);
  known.instance = undefined;
  const said = output(instance.exports, text);
  known.instance = instance;
  return said;
}

parentPort.on('message', ({ id, place, hash, module, rewind, input }) => {
  if (module !== undefined) modules.set(hash, { module, rewind, instance: undefined });
  if (Atomics.compareExchange(claims, place, id, -id) !== id) return;
  const known = modules.get(hash);
  let text;
  let unable;
  try {
    text = evaluated(known, input);
  } catch (error) {
    unable = error instanceof Misfit ? error.message : 'it trapped: ' + String(error && error.message).slice(0, 200);
  }
  Atomics.store(claims, place, 0);
  parentPort.postMessage({ id, place, text, unable });
  // After the answer: nobody waits for it.
  if (known.instance !== undefined && !rewound(known.instance)) known.instance = undefined;
});
`;
