// A worker that says over HTTP which configuration it has in force, and prepares one as that tells it to:
// `hold` is a directory where it leaves its number and waits for `go`, `ends` are the numbers of slots that end of it, and one
// that is `stuck` is never ready. `lingers` is a directory: told to leave it waits for `leave` there.
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

let slot;
let inForce;
let prepared;

const answers = {
  async start(told) {
    slot = told.slot;
    inForce = JSON.parse(told.parcel);
    if (inForce.ends?.includes(slot)) process.exit(1);
    if (inForce.stuck) await new Promise(() => {});
    const server = createServer((_, response) => {
      response.setHeader('connection', 'close');
      response.end(`${slot} ${inForce.file}`);
    });
    await new Promise((listening) => server.listen(inForce.port, '127.0.0.1', listening));
    return `http://127.0.0.1:${inForce.port}`;
  },
  async prepare({ version, parcel }) {
    const next = JSON.parse(parcel);
    if (next.ends?.includes(slot)) process.exit(1);
    prepared = { version, next };
    if (next.hold !== undefined) {
      writeFileSync(join(next.hold, String(process.pid)), '');
      while (!existsSync(join(next.hold, 'go'))) await wait(10);
    }
    return [];
  },
  async commit({ version }) {
    if (prepared?.version !== version) throw new Error(`configuration ${version} was not prepared`);
    inForce = prepared.next;
  },
  discard: async () => undefined,
  figures: async () => [],
  health: async () => ({}),
  recent: async () => (inForce.records ?? []).filter((_, at) => at % 2 === slot - 1),
  async drain() {
    const { lingers } = inForce;
    if (lingers !== undefined) while (!existsSync(join(lingers, 'leave'))) await wait(10);
    return [];
  },
};

process.on('message', async ({ id, ask, told }) => {
  const said = await answers[ask](told).then(
    (answer) => ({ id, answer }),
    (error) => ({ id, failed: error.message }),
  );
  process.send(said, undefined, {}, () => {
    if (ask === 'drain') process.exit(0);
  });
});
process.send({ id: 0 });
process.on('SIGTERM', () => {
  const calls = {
    name: 'calls',
    help: 'calls',
    type: 'counter',
    aggregator: 'sum',
    values: [{ labels: {}, value: 20 }],
  };
  process.send({ id: -1, answer: [calls] }, undefined, {}, () => process.exit(0));
});
