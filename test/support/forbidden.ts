/** Something that must not leave: what is looked for, what announces it, and what a policy calls it. */
export interface Forbidden {
  readonly rail: 'pii' | 'secrets' | 'literal' | 'expression';
  readonly type: string;
  /** What tells the reader (and some detectors) what follows. It stays. */
  readonly before: string;
  readonly value: string;
}

const pii = (type: string, value: string, before = ''): Forbidden => ({ rail: 'pii', type, before, value });
const secret = (type: string, value: string, before = ''): Forbidden => ({ rail: 'secrets', type, before, value });

/** Test values: numbers of test ranges with right check digits, addresses of documentation ranges, made-up keys. */
const personal: readonly Forbidden[] = [
  pii('card', '4111111111111111'),
  pii('card', '4111 1111 1111 1111'),
  pii('card', '3782-822463-10005'),
  pii('iban', 'DE89370400440532013000'),
  pii('iban', 'GB29 NWBK 6016 1331 9268 19'),
  pii('us_ssn', '512-43-7788'),
  pii('us_ssn', '512437788', 'SSN: '),
  pii('email', 'jane.doe+test@mail.example.org'),
  pii('phone', '+49 30 123456789'),
  pii('phone', '(212) 555-0187'),
  pii('ip', '203.0.113.77'),
  pii('ip', '2001:db8:85a3::8a2e:370:7334'),
];

const random = 'kD93hfUe02LsmPq7xZbT1vYw5cRnG8aJ';
const more = 'Qe4Xy7Hn2Vb9Mt6Rw1Zk8Lp3Ds5Fg0Jc';

/** Keys of several families; built in parts, so that nobody's scanner takes them for real ones. */
const secrets: readonly Forbidden[] = [
  secret('aws_access_key', `AKIA${'Q3ZB7TXN5KWM2RJD'}`),
  secret('github_token', `ghp_${random}${'Zz9Y'}`),
  secret('gitlab_token', `glpat-${random.slice(0, 20)}`),
  secret('stripe_secret_key', `sk_live_${random.slice(0, 24)}`),
  secret('slack_token', `xoxb-${'123456789012'}-${'987654321098'}-${random.slice(0, 24)}`),
  secret('anthropic_api_key', `sk-ant-api03-${random}${more}${random}`),
  // No longest key: the placeholder goes out once, all the rest is swallowed.
  secret('anthropic_api_key', `sk-ant-api03-${`${random}${more}`.repeat(9)}`),
  secret('jwt', `eyJ${'hbGciOiJIUzI1NiJ9'}.eyJ${'zdWIiOiIxMjM0NTY3ODkwIn0'}.${random}${'s5c_-'}`),
  secret('private_key', `-----BEGIN ${'PRIVATE'} KEY-----\n${random}${more}\n-----END ${'PRIVATE'} KEY-----`),
  secret(
    'private_key',
    `-----BEGIN RSA ${'PRIVATE'} KEY-----\n${`${random}${more}\n`.repeat(5)}-----END RSA ${'PRIVATE'} KEY-----`,
  ),
  secret('credentials_in_url', `admin:${'s3cr3tPa55'}@`, 'postgres://'),
];

/** Words and codes a policy names itself. */
export const ownPatterns: readonly Forbidden[] = [
  { rail: 'literal', type: 'own', before: '', value: 'Project Nightingale' },
  { rail: 'literal', type: 'own', before: '', value: 'Überraschung 🎉🎂' },
  { rail: 'expression', type: 'own', before: '', value: 'KX-4711-beta' },
];

export const forbidden: readonly Forbidden[] = [...personal, ...secrets, ...ownPatterns];

/** Redacts all of the above from replies, each under its type. */
export const redactReplies = `
metadata: { id: redact, name: Redact, version: 1.0.0 }
rules:
  - id: own
    on: response
    action:
      decision: modify
      reason: not for everybody
      redact:
        rails: [pii, secrets]
        literals: [Project Nightingale, Überraschung 🎉🎂]
        patterns: ['KX-[0-9]{4}-(?:alpha|beta)']
        with: "[\${type}]"
`;

/** The same in requests. */
export const redactRequests = redactReplies.replace('on: response', 'on: request').replace('id: redact', 'id: before');

/** A sentence with the value in it, and what is left of it. */
export function sentence({ before, value, type }: Forbidden): { text: string; redacted: string; at: number } {
  const head = `Please note: ${before}`;
  const tail = value.endsWith('@') ? 'localhost and go on, dear.' : ' and go on, dear.';
  return { text: head + value + tail, redacted: `${head}[${type}]${tail}`, at: head.length };
}

/** Whether a text holds the value, however spelled in JSON; spaces and line ends count. */
export function holds(text: string, { value }: Pick<Forbidden, 'value'>): boolean {
  return text.includes(value) || text.includes(JSON.stringify(value).slice(1, -1));
}
