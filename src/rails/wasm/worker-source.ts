/**
 * What runs in a worker thread, as plain JavaScript: a worker is started from a text so that it is the same from sources
 * and when built. Each evaluation gets an instance of its own, so nothing of one call is left for the next.
 */
export const workerSource = `
const { parentPort, workerData } = require('node:worker_threads');
const { input_bytes, output_bytes } = workerData;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const modules = new Map();

function evaluated(module, text) {
  const { memory, alloc, evaluate, abi_version, _initialize } = new WebAssembly.Instance(module, {}).exports;
  if (typeof _initialize === 'function') _initialize();
  const version = abi_version();
  if (version !== 1) return { unable: 'it speaks version ' + version + ' of the ABI, not 1' };
  const input = encoder.encode(text);
  if (input.length > input_bytes) return { unable: 'its input is larger than ' + input_bytes + ' bytes' };
  const at = alloc(input.length) >>> 0;
  if (at + input.length > memory.buffer.byteLength) return { unable: 'alloc gave a place outside of its memory' };
  new Uint8Array(memory.buffer, at, input.length).set(input);
  const packed = evaluate(at, input.length);
  if (typeof packed !== 'bigint') return { unable: 'evaluate did not give a 64-bit number' };
  const unsigned = BigInt.asUintN(64, packed);
  const [from, length] = [Number(unsigned >> 32n), Number(unsigned & 0xffffffffn)];
  if (length > output_bytes) return { unable: 'its output is larger than ' + output_bytes + ' bytes' };
  if (from + length > memory.buffer.byteLength) return { unable: 'its output lies outside of its memory' };
  return { text: decoder.decode(new Uint8Array(memory.buffer, from, length)) };
}

parentPort.on('message', ({ id, hash, module, input }) => {
  if (module !== undefined) modules.set(hash, module);
  let answer;
  try {
    answer = evaluated(modules.get(hash), input);
  } catch (error) {
    answer = { unable: 'it trapped: ' + String(error && error.message).slice(0, 200) };
  }
  parentPort.postMessage({ id, ...answer });
});
`;
