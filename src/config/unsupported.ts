import type { Path } from './document.ts';
import type { GatewayDocument } from './schema.ts';
import type { Finding } from './validate.ts';

/** What the contract lists and this build does not do yet: asking for it is an error, never ignored. */
export const unsupported: readonly {
  readonly path: Path;
  readonly asked: (document: GatewayDocument) => boolean;
  readonly instead: string;
}[] = [
  {
    path: ['server', 'tls'],
    asked: (d) => d.server.tls !== undefined,
    instead: 'TLS; put a proxy that ends it in front',
  },
  { path: ['admin', 'oidc'], asked: (d) => d.admin.oidc !== undefined, instead: 'OIDC for admins; use admin.keys' },
  { path: ['database', 'url'], asked: (d) => d.database.url !== undefined, instead: 'a database; leave it out' },
  {
    path: ['policies', 'source'],
    asked: (d) => d.policies.source !== 'directory',
    instead: 'policies from a registry or a bundle; use directory',
  },
  { path: ['policies', 'bundle'], asked: (d) => d.policies.bundle !== undefined, instead: 'bundles; leave it out' },
  { path: ['cache', 'enabled'], asked: (d) => d.cache.enabled, instead: 'the response cache; set it to false' },
  { path: ['rails', 'shield'], asked: (d) => d.rails.shield !== undefined, instead: 'an outside shield; leave it out' },
  {
    path: ['rails', 'classifier'],
    asked: (d) => d.rails.classifier !== undefined,
    instead: 'a classifier; leave it out',
  },
  {
    path: ['audit', 'content'],
    asked: (d) => d.audit.content !== 'none',
    instead: 'keeping texts in the audit trail; use none',
  },
  { path: ['audit', 'hot_days'], asked: (d) => d.audit.hot_days !== undefined, instead: 'retention; leave it out' },
  { path: ['audit', 'cold_days'], asked: (d) => d.audit.cold_days !== undefined, instead: 'retention; leave it out' },
  {
    path: ['telemetry', 'otlp_endpoint'],
    asked: (d) => d.telemetry.otlp_endpoint !== undefined,
    instead: 'OpenTelemetry export; leave it out',
  },
];

/** Everything the document asks for that is not built, at the key that asks. */
export function unsupportedFindings(document: GatewayDocument): readonly Finding[] {
  const findings = unsupported
    .filter(({ asked }) => asked(document))
    .map(({ path, instead }): Finding => ({ path, at: 'key', message: `not supported yet: ${instead}` }));
  for (const [index, sink] of document.audit.sinks.entries()) {
    if (sink.type === 'file') continue;
    const message = `not supported yet: audit sinks of type '${sink.type}'; use file`;
    findings.push({ path: ['audit', 'sinks', index, 'type'], at: 'value', message });
  }
  return findings;
}
