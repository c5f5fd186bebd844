import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/exchange/index.ts';
import { railByName } from '../../src/rails/index.ts';
import { cardNumber, ibanNumber, seeded } from './support/samples.ts';

const random = seeded(99);
const found = (rail: string, text: string): [string, string][] => {
  const measured = railByName(rail)!.measure({ text, role: 'user', channel: 'content', path: [], message: 0 });
  const findings: readonly Finding[] = measured.outcome === 'findings' ? measured.findings : [];
  return findings.map((one) => [one.type, text.slice(one.start, one.end)]);
};
const card = cardNumber(random, [16]);
const iban = ibanNumber(random);
const bumped = (number: string): string => number.slice(0, -1) + ((Number(number.at(-1)) + 1) % 10);

describe('personal data', () => {
  it.each([
    ['card', `pay with ${card}.`, card],
    ['card', `${card.replace(/(.{4})(?=.)/g, '$1-')},`, card.replace(/(.{4})(?=.)/g, '$1-')],
    ['card', '12 4111 1111 1111 1111 12/29', '4111 1111 1111 1111'],
    ['card', '３７８２ ８２２４６３ １０００５', '３７８２ ８２２４６３ １０００５'],
    ['card', '4111\u20111111\u20111111\u20111111', '4111\u20111111\u20111111\u20111111'],
    ['card', '4\u200b111111111111111', '4\u200b111111111111111'],
    ['iban', `IBAN:${iban}`, iban],
    ['iban', 'to gb82 west 1234 5698 7654 32 now', 'gb82 west 1234 5698 7654 32'],
    ['us_ssn', 'it is 219-09-9998.', '219-09-9998'],
    ['us_ssn', 'Social Security Number: 219 09 9998', '219 09 9998'],
    ['us_ssn', 'line\\n219-09-9998\\n', '219-09-9998'],
    ['email', 'write to <jane_doe+x@mail.example.museum>.', 'jane_doe+x@mail.example.museum'],
    ['email', '`a@b.io`', 'a@b.io'],
    ['email', 'メールはfoo@example.jpです', 'foo@example.jp'],
    ['email', 'jürgen@müller.de', 'jürgen@müller.de'],
    ['email', 'contact: foo@bar.com-office', 'foo@bar.com'],
    ['ip', 'at 192.168.0.1.', '192.168.0.1'],
    ['ip', 'http://10.1.2.3:8080/', '10.1.2.3'],
    ['ip', '[2001:db8::8a2e:370:7334]', '2001:db8::8a2e:370:7334'],
    ['ip', '::ffff 2001:0db8:0000:0000:0000:ff00:0042:8329', '2001:0db8:0000:0000:0000:ff00:0042:8329'],
    ['phone', 'call +44 20 7946 0018!', '+44 20 7946 0018'],
    ['phone', '+1 (212) 555-0123', '+1 (212) 555-0123'],
    ['phone', 'or 212-555-0123x45 or', '212-555-0123x45'],
    ['phone', 'unter 030 901820-12', '030 901820-12'],
    ['phone', 'Tel.: 0171/1234567', '0171/1234567'],
    ['phone', 'Fax 555 0123', '555 0123'],
    ['phone', '781 1704 office', '781 1704'],
  ])('finds %s in %j', (type, text, value) => {
    expect(found('pii', text)).toContainEqual([type, value]);
  });

  it.each([
    bumped(card),
    `0.${card}`,
    `${card}7`,
    `${card.slice(0, 8)} ${card.slice(8)}1234`,
    bumped(iban),
    '000-12-3456 666-12-3456 900-12-3456 219-00-9998 219-09-0000',
    '219 09 9998',
    'logo@2x.png and a@b and @name and a@b.c',
    'version 1.2.3.4.5, 256.1.1.1, 1.2.3',
    'at 12:30:45 std::vector::iterator a::b ::1',
    'on 01.02.2020 and 2020-01-02 10:00, pages 100-200, 1 000 000 times',
    'call me in 2020-2021',
    'order 1234567890123456, sum 12 34 56 78 90',
    '550e8400-e29b-41d4-a716-446655440000',
  ])('finds nothing in %j', (text) => {
    expect(found('pii', text)).toEqual([]);
  });

  it('gives one finding where a checked type and a looser one overlap', () => {
    expect(found('pii', `phone ${iban.replace(/(.{4})(?=.)/g, '$1 ')}`).map(([type]) => type)).toEqual(['iban']);
  });
});

const mixed = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7'.repeat(6);
const hex = '0f1e2d3c4b5a69788796a5b4c3d2e1f0'.repeat(4);

describe('secrets', () => {
  it.each([
    ['github_token', `export T=${'ghp'}_${mixed.slice(0, 36)}`],
    ['aws_access_key', `${'AK'}IA2OGYBAH6STKUZVBY`],
    ['aws_secret_key', `aws_secret_access_key = "${mixed.slice(0, 38)}+/"`],
    ['openai_api_key', `${'sk-'}proj-${mixed.slice(0, 74)}T3Blbk${'FJ'}${mixed.slice(0, 74)}`],
    ['anthropic_api_key', `${'sk-'}ant-api03-${mixed.slice(0, 93)}AA`],
    ['stripe_secret_key', `key:${'sk_'}live_${mixed.slice(0, 24)}`],
    ['slack_token', `${'xox'}b-1234567890123-1234567890123-${mixed.slice(0, 24)}`],
    ['gitlab_token', `\\n${'gl'}pat-${mixed.slice(0, 20)}`],
    ['digitalocean_token', `${'dop'}_v1_${hex.slice(0, 64)}`],
    ['credentials_in_url', 'postgres://svc:w0rm-h0le@db.internal:5432/x'],
    ['credentials_in_url', 'see https://bob:p@ss@host.example/'],
    ['jwt', `Bearer ${'ey'}J${mixed.slice(0, 20)}.${'ey'}J${mixed.slice(0, 40)}.${mixed.slice(0, 43)}`],
    ['private_key', `-----BEGIN ${'EC'} PRIVATE KEY-----\n${mixed.slice(0, 64)}\n-----END EC PRIVATE KEY-----`],
    ['private_key', `"-----BEGIN PRIVATE ${'KEY'}-----\\n${mixed.slice(0, 64)}\\n-----END PRIVATE KEY-----\\n"`],
    ['vendor_secret', `CLOUDFLARE_API_KEY="${mixed.slice(0, 40)}"`],
    ['authorization_header', `curl -H 'Authorization: Bearer ${mixed.slice(0, 30)}'`],
  ])('finds %s', (type, text) => {
    expect(found('secrets', `a ${text} b`).map(([one]) => one)).toContain(type);
  });

  it.each([
    `x${'ghp'}_${mixed.slice(0, 36)}`,
    `${'AK'}IAIOSFODNN7EXAMPLE`,
    `https://user:${'$'}{PASSWORD}@host and https://username:password@example.com and https://root:root@h`,
    'https://example.com:8080/a@b',
    '-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----',
    `${'hf'}_${'FakeFakeFake1'.repeat(3)}`,
    'sk-learn, task-force, risk-averse and sk_live_short',
    'The slack token begins with xoxb-your-token-here.',
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '550e8400-e29b-41d4-a716-446655440000',
  ])('finds nothing in %j', (text) => {
    expect(found('secrets', text)).toEqual([]);
  });

  it('takes a private key to its end and no further', () => {
    const key = `-----BEGIN RSA PRIVATE KEY-----\n${mixed.slice(0, 64)}\n${mixed.slice(0, 12)}==\n-----END RSA PRIVATE KEY-----`;
    expect(found('secrets', `this:\n${key}\nand then words`)).toEqual([['private_key', key]]);
  });
});
