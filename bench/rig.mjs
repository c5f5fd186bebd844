// What every benchmark here shares: processes on pinned cores, their CPU time, medians, and a closed-loop load.
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));
export const root = dirname(here);

/** Clock ticks of /proc a second: Linux has used 100 for user space since 2.6. */
const ticksPerSecond = 100;

const cores = availableParallelism();
/** Every core, and all but the first, on which floor and gateway are measured; where there is one, that. */
export const all_cores = `0-${cores - 1}`;
export const other_cores = cores === 1 ? '0' : `1-${cores - 1}`;

/** Starts a Node program on a core (or several, `0-1`) and resolves with its first line of output, parsed as JSON. */
export function start(core, program, args = [], env = {}) {
  // A gateway as `npm start` and the container run it.
  const flags = program.endsWith('gateway.mjs') ? ['--max-semi-space-size=8'] : [];
  const child = spawn('taskset', ['-c', String(core), process.execPath, ...flags, program, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const line = text.split('\n').find((one) => one.startsWith('{"ready"'));
      if (line !== undefined) resolve({ ...JSON.parse(line), pid: child.pid, stop: () => stop(child) });
    });
    child.on('exit', (code) => reject(new Error(`${program} ended with ${code}: ${text}`)));
  });
}

function stop(child) {
  return new Promise((resolve) => {
    child.on('exit', resolve);
    child.kill('SIGTERM');
  });
}

/** Has a process, all threads of it and those it starts, run on these cores alone (`1`, `0-1`). */
export function pin(pid, cores) {
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', String(cores), String(pid)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`process ${pid} cannot be pinned: ${stderr}`);
}

/** CPU seconds of a process so far, all threads, user and system. */
export function cpuSeconds(pid) {
  return secondsIn(`/proc/${pid}/stat`);
}

/** CPU seconds of a process's main thread so far, user and system. */
export function mainSeconds(pid) {
  return secondsIn(`/proc/${pid}/task/${pid}/stat`);
}

function secondsIn(file) {
  const stat = readFileSync(file, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** A process and those it started, as far as they live. */
export function family(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

/** Resident megabytes. */
export function residentMb(pid) {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/);
  return Number(line?.[1] ?? 0) / 1024;
}

export function descriptors(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((percent / 100) * sorted.length))];
}

/** One HTTP/1.1 request, whole, as bytes to be written again and again. */
export function requestBytes(address, path, headers, body) {
  const { host } = new URL(address);
  const lines = [`POST ${path} HTTP/1.1`, `host: ${host}`, 'content-type: application/json'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  lines.push(`content-length: ${Buffer.byteLength(body)}`, '', body);
  return Buffer.from(lines.join('\r\n'));
}

/**
 * Open arrivals: `calls` at `rate` a second over as many connections as it takes, up to 64. What a call costs is compared at
 * one rate: at saturation a busy event loop serves many sockets a turn, and the fastest server pays the fewest wake-ups.
 */
export async function pacedLoad(address, { bytes, calls, rate, expect }) {
  const { hostname, port } = new URL(address);
  const sockets = await Promise.all(Array.from({ length: 64 }, () => opened(hostname, Number(port))));
  const started = performance.now();
  let next = 0;
  await Promise.all(
    sockets.map(async (socket) => {
      while (next < calls) {
        const due = started + (next++ / rate) * 1000;
        const wait = due - performance.now();
        if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
        checked(await ask(socket, bytes), expect);
      }
      socket.destroy();
    }),
  );
  return { rate: calls / ((performance.now() - started) / 1000) };
}

function checked(reply, expect) {
  if (reply.head.startsWith('HTTP/1.1 200') && reply.body.includes(expect)) return;
  throw new Error(`a call failed, the round is void: ${reply.head.split('\r\n')[0]} ${reply.body.subarray(0, 300)}`);
}

/**
 * Closed loop: `connections` sockets, each asks again as soon as its reply is whole, until `calls` are done. A reply
 * that is not a 200 or lacks `expect` voids the round. Resolves with wall seconds and each call's milliseconds.
 */
export async function load(address, { bytes, connections, calls, expect }) {
  const { hostname, port } = new URL(address);
  let left = calls;
  const latencies = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = await opened(hostname, Number(port));
      try {
        while (left > 0) {
          left -= 1;
          const at = performance.now();
          const reply = await ask(socket, bytes);
          latencies.push(performance.now() - at);
          checked(reply, expect);
        }
      } finally {
        socket.destroy();
      }
    }),
  );
  return { seconds: (performance.now() - started) / 1000, latencies };
}

function opened(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

const headEnd = Buffer.from('\r\n\r\n');

function ask(socket, bytes) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    let head;
    let bodyAt = 0;
    let length;
    const data = (chunk) => {
      chunks.push(chunk);
      size += chunk.length;
      if (head === undefined) {
        const all = chunks.length === 1 ? chunk : Buffer.concat(chunks);
        const at = all.indexOf(headEnd);
        if (at < 0) return;
        head = all.toString('latin1', 0, at);
        bodyAt = at + 4;
        length = /content-length: (\d+)/i.exec(head)?.[1];
      }
      if (length === undefined ? ends(chunk) : size >= bodyAt + Number(length)) done();
    };
    const done = () => {
      socket.off('data', data).off('error', reject).off('close', closed);
      const all = Buffer.concat(chunks);
      resolve({ head, body: all.subarray(bodyAt) });
    };
    const closed = () => reject(new Error('the connection closed in a reply'));
    socket.on('data', data).once('error', reject).once('close', closed);
    socket.write(bytes);
  });
}

/** The end of a chunked body: its last chunk, with or without trailers. */
function ends(chunk) {
  return (
    chunk.length >= 5 &&
    chunk.subarray(-4).equals(headEnd) &&
    /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n$/.test(chunk.toString('latin1'))
  );
}

/** Rows as aligned columns, the first one being their names. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => String(cell).padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
