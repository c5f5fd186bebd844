import { budgetPlaces, checkCallers, modelRule, nanoUsd } from '../callers/index.ts';
import { Secret } from '../exchange/index.ts';
import type { LoadedProviders } from './providers.ts';
import { checkState } from './redis-place.ts';
import type { GatewayDocument } from './schema.ts';
import { unsupportedFindings } from './unsupported.ts';
import type { Finding } from './validate.ts';

/** Rules that reach over sections or that a schema cannot say. `document` has kept to its schema and is sealed. */
export function checkDocument(document: GatewayDocument): readonly Finding[] {
  const findings: Finding[] = [...unsupportedFindings(document)];
  for (const { section, path, message } of checkCallers(document.organizations, document.auth)) {
    findings.push({ path: [section, ...path], at: 'value', message });
  }
  findings.push(...checkState(document.state));
  if (document.server.workers !== 1 && document.state.driver === 'embedded') {
    const message =
      "more than one worker needs a ledger that processes can share: set 'state.driver' to redis (or REDIS_URL), or use 1";
    findings.push({ path: ['server', 'workers'], at: 'value', message });
  }
  if (document.state.driver === 'embedded' && document.state.mode === 'leased') {
    findings.push({
      path: ['state', 'mode'],
      at: 'key',
      message: "'leased' needs the driver 'redis': nothing is shared",
    });
  }
  for (const [index, sink] of document.audit.sinks.entries()) {
    if (sink.type === 'file' && sink.path === undefined) {
      findings.push({ path: ['audit', 'sinks', index], at: 'value', message: "'path' is missing" });
    }
  }
  for (const [index, { reserve_usd }] of document.passthrough.entries()) {
    if (nanoUsd(reserve_usd) === undefined) {
      const message = 'must be at most 9007199 dollars, with at most nine decimals';
      findings.push({ path: ['passthrough', index, 'reserve_usd'], at: 'value', message });
    }
  }
  const { server, admin, metrics, grpc } = document;
  return [...findings, ...samePorts({ server, admin, metrics, ...(grpc && { grpc }) })];
}

/** Two listeners on one address: the second could not start. Port 0 asks the system for a free one. */
export function samePorts(
  listeners: Readonly<Record<string, { readonly host: string; readonly port: number }>>,
): readonly Finding[] {
  const findings: Finding[] = [];
  const taken = new Map<string, string>();
  for (const [name, { host, port }] of Object.entries(listeners)) {
    const other = taken.get(`${host} ${port}`);
    if (other !== undefined && port !== 0) {
      findings.push({
        path: [name, 'port'],
        at: 'value',
        message: `the listener '${other}' is at ${host}:${port} already`,
      });
    }
    taken.set(`${host} ${port}`, name);
  }
  return findings;
}

/** Mentions of providers that nobody defined. One that is defined and off may be mentioned. */
export function checkProviders(document: GatewayDocument, loaded: LoadedProviders): readonly Finding[] {
  const findings: Finding[] = [];
  const known = new Set([...loaded.providers.map(({ id }) => id), ...loaded.off]);
  const unknown = (path: Finding['path'], id: string) => {
    if (!known.has(id)) findings.push({ path, at: 'value', message: `there is no provider '${id}'` });
  };
  for (const [name, { candidates }] of Object.entries(document.models)) {
    for (const [index, { provider }] of candidates.entries()) {
      unknown(['models', name, 'candidates', index, 'provider'], provider);
    }
  }
  for (const [index, { provider }] of document.passthrough.entries())
    unknown(['passthrough', index, 'provider'], provider);
  findings.push(...unknownSubstitutes(document, loaded), ...keysOfProviders(document, loaded));
  if (loaded.providers.length === 0) {
    findings.push({ path: ['providers'], at: 'value', message: 'no provider is on: nothing could be served' });
  }
  return findings;
}

/** A caller's key that a provider would be sent: who set its variable for a client started the gateway in the same shell. */
function keysOfProviders({ organizations }: GatewayDocument, { providers }: LoadedProviders): readonly Finding[] {
  const findings: Finding[] = [];
  const sent = new Map(providers.map(({ id, auth }) => [auth?.key?.reveal() ?? '', id]));
  for (const [organization, { teams }] of organizations.entries()) {
    for (const [team, { keys }] of teams.entries()) {
      for (const [index, key] of keys.entries()) {
        const secret = key instanceof Secret ? key : key.key;
        const provider = secret.empty ? undefined : sent.get(secret.reveal());
        if (provider === undefined) continue;
        const path = ['organizations', organization, 'teams', team, 'keys', index];
        const message = `this is the key that provider '${provider}' is sent: set its variable where clients run, not where the gateway does`;
        findings.push({ path, at: 'value', message });
      }
    }
  }
  return findings;
}

/** Budgets that go on with a model nobody has. A model of a provider that is off may be named. */
function unknownSubstitutes(document: GatewayDocument, { read }: LoadedProviders): readonly Finding[] {
  const names = read.flatMap(({ provider }) =>
    Object.keys(provider.models).flatMap((name) => [name, `${provider.id}/${name}`]),
  );
  const known = modelRule([...names, ...Object.keys(document.models)]);
  const findings: Finding[] = [];
  for (const { path, budget } of budgetPlaces(document.organizations)) {
    const model = budget.substitute_model;
    if (model === undefined || known(model)) continue;
    const message = `no provider and no entry of models has a model '${model}'`;
    findings.push({ path: ['organizations', ...path, 'substitute_model'], at: 'value', message });
  }
  return findings;
}
