import { resolve } from 'node:path';
import type { Path } from './document.ts';
import type { GatewayDocument } from './schema.ts';
import type { Finding } from './validate.ts';

type State = GatewayDocument['state'];
type Tls = NonNullable<State['tls']>;

/** Whether the state says where a Redis is in one way, with what belongs to that way and nothing that would be ignored. */
export function checkState(state: State): readonly Finding[] {
  const findings: Finding[] = [];
  const wrong = (path: Path, message: string) => findings.push({ path: ['state', ...path], at: 'value', message });
  const url = state.url === undefined || state.url.empty ? undefined : state.url.reveal();
  const given = { url, sentinel: state.sentinel, cluster: state.cluster };
  const ways = Object.entries(given).flatMap(([way, value]) => (value === undefined ? [] : [way]));
  if (state.driver === 'embedded') {
    for (const key of ['url', 'sentinel', 'cluster', 'username', 'password', 'tls'] as const) {
      if (state[key] !== undefined && !(state[key] === state.url && url === undefined))
        wrong([key], `'${key}' is for the driver 'redis', and the driver is 'embedded'`);
    }
    return findings;
  }
  if (ways.length === 0) wrong(['url'], "'url' is missing: the driver 'redis' needs one, or a sentinel or a cluster");
  for (const way of ways.slice(1)) {
    wrong([way], `'${ways[0]}' says where the Redis is already: give one of url, sentinel and cluster`);
  }
  if (url !== undefined) checkUrl(url, state, wrong);
  if (state.username !== undefined && state.password === undefined) {
    wrong(['username'], "a username needs a 'password' beside it");
  }
  if (state.sentinel?.username !== undefined && state.sentinel.password === undefined) {
    wrong(['sentinel', 'username'], "a username needs a 'password' beside it");
  }
  for (const nodes of ['sentinel', 'cluster'] as const) {
    for (const [index, node] of (state[nodes]?.nodes ?? []).entries()) {
      const port = Number(/\d+$/.exec(node)?.[0]);
      if (port < 1 || port > 65_535) wrong([nodes, 'nodes', index], `${port} is no port`);
    }
  }
  checkPair(state.tls, ['tls'], wrong);
  checkPair(state.sentinel?.tls, ['sentinel', 'tls'], wrong);
  return findings;
}

type Wrong = (path: Path, message: string) => unknown;

function checkUrl(text: string, state: State, wrong: Wrong): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    wrong(['url'], 'must be redis://host:port or rediss://host:port');
    return;
  }
  if (!/^\/?\d*$/.test(url.pathname) || url.search !== '' || url.hash !== '') {
    wrong(['url'], 'behind host and port there may be the number of a database and nothing else');
  }
  if (state.tls !== undefined && url.protocol !== 'rediss:') {
    wrong(['tls'], 'the url is redis://, which is not encrypted: write rediss:// or leave tls out');
  }
  for (const key of ['username', 'password'] as const) {
    if (state[key] !== undefined && url.password !== '') wrong([key], 'the url has credentials already');
  }
}

function checkPair(tls: Tls | undefined, path: Path, wrong: Wrong): void {
  if (tls === undefined) return;
  const { cert_file, key_file } = tls;
  if (cert_file !== undefined && key_file === undefined) wrong([...path, 'cert_file'], "needs its 'key_file'");
  if (key_file !== undefined && cert_file === undefined) wrong([...path, 'key_file'], "needs its 'cert_file'");
}

/** The state with the files of its TLS settings made absolute: they start where providers and policies do. */
export function withFilesBelow(base: string, state: State): State {
  const absolute = (tls: Tls): Tls => ({
    ...tls,
    ...(tls.ca_file === undefined ? {} : { ca_file: resolve(base, tls.ca_file) }),
    ...(tls.cert_file === undefined ? {} : { cert_file: resolve(base, tls.cert_file) }),
    ...(tls.key_file === undefined ? {} : { key_file: resolve(base, tls.key_file) }),
  });
  const { tls, sentinel } = state;
  return {
    ...state,
    ...(tls === undefined ? {} : { tls: absolute(tls) }),
    ...(sentinel?.tls === undefined ? {} : { sentinel: { ...sentinel, tls: absolute(sentinel.tls) } }),
  };
}
