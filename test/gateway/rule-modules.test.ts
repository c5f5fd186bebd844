import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Settings } from '../../src/config.ts';
import { openPolicies } from '../../src/gateway/managed-policies.ts';
import { moduleProblems } from '../../src/gateway/rule-modules.ts';
import { packSettings, unpackSettings } from '../../src/gateway/workers/parcel.ts';
import { openLog } from '../../src/observe/index.ts';
import { PolicyTexts } from '../../src/policy/index.ts';
import { Place } from '../config/place.ts';
import { assembled, template } from '../support/assemblyscript.ts';

const policy = `metadata: { id: long, version: 1.0.0 }
rules:
  - id: too-long
    wasm: { module: ./rules/long.wasm, inputs: [llm.estimatedTokens] }
    action: { decision: deny }
`;
let place: Place;
afterEach(() => place.remove());

/** What is wrong with the modules of a configuration for a process that starts with it now. */
function problems(settings: Settings) {
  const state = { path: join(place.path, 'data') };
  const policies = openPolicies({ ...settings, state }, new PolicyTexts(), openLog({ level: 'silent' }));
  try {
    return moduleProblems(policies.program(), settings.policyFiles).map(({ message }) => message);
  } finally {
    policies.close();
  }
}

test('a worker that starts later has the modules that were read with its configuration, whatever the files say by then', async () => {
  place = new Place();
  place.write('policies/security/long.yaml', policy);
  const file = join(place.path, 'policies/security/rules/long.wasm');
  mkdirSync(dirname(file));
  writeFileSync(file, await assembled(template));
  const { settings, fingerprint } = await place.load();
  writeFileSync(file, 'nothing of the kind');
  expect(problems(unpackSettings(packSettings(settings!)))).toEqual([]);
  const changed = await place.load();
  expect(changed.fingerprint).not.toBe(fingerprint);
  expect(problems(changed.settings!)).toEqual(['the module ./rules/long.wasm: it is no valid WebAssembly module']);
  writeFileSync(file, Buffer.alloc(5 << 20));
  expect(problems((await place.load()).settings!)).toEqual([
    expect.stringMatching(/^the module \.\/rules\/long\.wasm: it is larger than \d+ bytes$/),
  ]);
});
