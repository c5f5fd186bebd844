import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  readonly ca_file: string;
  /** Signed by that authority, for `name`; good for a server and for a client. */
  readonly cert_file: string;
  readonly key_file: string;
  remove(): void;
}

/** An authority of its own and a certificate for one name, good for a day. */
export function makeCertificates(name: string): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  const at = (file: string) => join(directory, file);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.crt'), '-days', '1', '-subj', '/CN=tests');
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
  openssl('req', ...key, '-keyout', at('own.key'), '-out', at('own.csr'), ...names);
  const signed = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-copy_extensions', 'copy'];
  openssl('x509', '-req', '-in', at('own.csr'), ...signed, '-days', '1', '-out', at('own.crt'));
  return {
    ca_file: at('ca.crt'),
    cert_file: at('own.crt'),
    key_file: at('own.key'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
