import { type Detector, detector } from './detector.ts';
import { entropy } from './entropy.ts';
import { type SecretFamily, secretFamilies } from './secret-families.ts';

/** A key stands at the beginning of a word; a written escape before it is no part of the word. */
const left = '(?<![0-9A-Za-z])';

function family(shape: SecretFamily): Detector {
  const start = shape.inWords ? '' : left;
  const key = `${start}${shape.prefix}${shape.body}{${shape.length}}`;
  const least = shape.entropy;
  const check = least === undefined ? undefined : (text: string) => entropy(text) >= least;
  const asked = check === undefined ? '' : '(?C)';
  const pattern = shape.exact ? `${key}(?!${shape.body})` : `${key}${asked}${shape.body}*`;
  const described = { type: shape.type, score: 0.95, fold: false, pattern };
  return detector(check === undefined ? described : { ...described, check });
}

/** Keys of one of AWS's own documents, and keys of one character, are examples. */
function isAwsKey(text: string): boolean {
  return !text.endsWith('EXAMPLE') && entropy(text) >= 2.5;
}

const templateMarks = /[${}<>()]|\*\*\*|^your|^replace|^change|^example/i;

/** User and password of an address, with its `@`; templates, obvious placeholders and equal pairs are none. */
export function isCredentials(text: string): boolean {
  const at = text.lastIndexOf('@');
  const colon = text.indexOf(':');
  const user = text.slice(0, colon);
  const password = text.slice(colon + 1, at);
  if (templateMarks.test(user) || templateMarks.test(password) || user === password) return false;
  if (/^(?:my)?passw(?:or)?d$/i.test(password) && /user/i.test(user)) return false;
  return password.length >= 4 && new Set(password).size >= 3;
}

const schemes =
  '(?i:https?|ftps?|sftp|ssh|git|wss?|mongodb|mongodb\\+srv|mysql|mariadb|postgres|postgresql|redis|rediss|amqps?|mssql' +
  '|sqlserver|clickhouse|ldaps?|smtps?|nats|kafka|oracle)';
const assigned = `[0-9A-Za-z_. -]{0,20}["'\`]?[ \\t]{0,2}(?::=|=>|=|:)[ \\t]{0,2}["'\`]?\\K`;
const keyOrEnd = '(?![0-9A-Za-z+/=_-])';

/** PEM: the head, then at least twenty characters of it; the rest, END and all, as long as it looks like PEM. */
const pemRest = '[0-9A-Za-z+/=:,.\\s\\\\"\'()]';
const pem =
  '-----BEGIN [0-9A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\\s"\',+]|\\\\{1,2}[nr])*' +
  '(?:[0-9A-Za-z+/]{20}|(?:Proc-Type|Version|Comment|Charset|Hash): )' +
  `(?:${pemRest}|-{1,4}${pemRest})*(?:-----END [0-9A-Z ]{0,60}-----)?`;

/** Vendors whose keys have no sign of their own; a name that assigns a random value gives them away. */
const vendors = (
  'adafruit adobe airtable algolia alibaba asana atlassian beamer bitbucket bittrex cloudflare codecov cohere ' +
  'co_api_key coinbase confluence confluent contentful datadog discord droneci dropbox etsy facebook fastly ' +
  'finicity finnhub flickr freshbooks gitter gocardless heroku hubspot intercom jfrog artifactory bintray xray jira ' +
  'kraken kucoin launchdarkly linear linked[_-]?in lob looker mailchimp mailgun mapbox mattermost meraki ' +
  'message[_-]?bird netlify new[_-]?relic nytimes okta plaid private[_-]?ai rapidapi sendbird sentry snyk sonar ' +
  'squarespace sumo(?:logic)? telegram travis twitch twitter typeform yandex zendesk'
).split(' ');

/** Letters and digits mixed as no name mixes them. */
function isRandom(text: string): boolean {
  const digits = text.replaceAll(/[^0-9]/g, '').length;
  return digits >= 2 && /[A-Za-z]/.test(text) && entropy(text) >= 3;
}

const others: readonly Detector[] = [
  detector({
    type: '1password_secret_key',
    score: 0.95,
    fold: false,
    pattern: `${left}A3-[0-9A-Z]{6}-(?:[0-9A-Z]{11}|[0-9A-Z]{6}-[0-9A-Z]{5})(?:-[0-9A-Z]{5}){3}(?![0-9A-Za-z-])`,
    check: (text) => entropy(text) >= 3,
  }),
  detector({
    type: 'authress_key',
    score: 0.95,
    fold: false,
    pattern: `${left}(?:sc|ext|scauth|authress)_(?i:[0-9a-z]{5,30}\\.[0-9a-z]{4,6})\\.acc[_-](?i:[0-9a-z-]{10,32}\\.[0-9a-z+/_=-]{30}[0-9a-z+/_=-]*)`,
  }),
  detector({
    type: 'aws_access_key',
    score: 0.95,
    fold: false,
    pattern: `${left}(?:A3T[0-9A-Z]|AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![0-9A-Za-z])`,
    check: isAwsKey,
  }),
  detector({
    type: 'aws_secret_key',
    score: 0.9,
    fold: false,
    pattern: `(?i:aws_?(?:secret)?_?(?:access)?_?key|secret_?access_?key)${assigned}[0-9A-Za-z+/]{40}${keyOrEnd}`,
    check: (text) => !text.endsWith('EXAMPLEKEY') && entropy(text) >= 3,
  }),
  detector({
    type: 'azure_client_secret',
    score: 0.9,
    fold: false,
    pattern: `(?i:azure[_-]?(?:ad[_-]?)?client[_-]?secret)${assigned}[0-9A-Za-z_~.-]{34,40}(?![0-9A-Za-z_~.-])`,
  }),
  detector({
    type: 'azure_identifier',
    score: 0.7,
    fold: false,
    pattern:
      `(?i:(?:azure|ad)_?(?:client|tenant|subscription)_?id)${assigned}` +
      '(?i:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9A-Za-z])',
  }),
  detector({
    type: 'credentials_in_url',
    score: 0.9,
    fold: false,
    // Both are bounded, so an address without them waits only for its host.
    pattern: `${schemes}://\\K[^\\s:/@"'\`<>\\[\\]]{1,64}:[^\\s/"'\`<>\\[\\]]{3,100}@(?=[0-9A-Za-z\\[])`,
    check: isCredentials,
  }),
  detector({
    type: 'databricks_token',
    score: 0.95,
    fold: false,
    pattern: `${left}dapi[0-9A-Fa-f]{32}(?:-[0-9])?(?![0-9A-Za-z])`,
    check: (text) => entropy(text) >= 3,
  }),
  detector({
    type: 'github_token',
    score: 0.95,
    fold: false,
    pattern: `${left}ghs_[0-9]{1,12}_eyJ[0-9A-Za-z_-]{20}[0-9A-Za-z_-]*(?:\\.[0-9A-Za-z_-]+)*`,
  }),
  detector({
    type: 'jwt',
    score: 0.95,
    fold: false,
    pattern: `${left}ey[0-9A-Za-z_-]{17,}={0,2}\\.ey[0-9A-Za-z_/\\\\-]{8}[0-9A-Za-z_/\\\\-]*={0,2}(?:\\.[0-9A-Za-z_/\\\\-]+={0,2})*`,
  }),
  detector({
    type: 'jwt',
    score: 0.9,
    fold: false,
    // The same in base64 once more: `eyJhbGciOi...`, `eyJ0eXAiOi...` and their kin.
    pattern: `${left}ZXlK[0-9A-Za-z+/\\\\_-]{40}(?C)[0-9A-Za-z+/\\\\=_-]*`,
    check: (text) => entropy(text) >= 3,
  }),
  detector({
    type: 'microsoft_teams_webhook',
    score: 0.95,
    fold: false,
    pattern: 'webhook\\.office\\.com/webhookb2/[0-9a-z-]{36}@[0-9A-Za-z@/-]*',
  }),
  detector({
    type: 'nuget_password',
    score: 0.8,
    fold: false,
    pattern: '(?i:<add key="(?:cleartext)?password"\\s{0,4}value=")\\K[^"\\n]{8}(?C)[^"\\n]*',
    check: (text) => !/^[%$*{<]/.test(text) && new Set(text).size > 2,
  }),
  detector({
    type: 'freemius_secret_key',
    score: 0.9,
    fold: false,
    pattern: `["']secret_key["']\\s{0,4}=>\\s{0,4}["']\\Ksk_[^\\s"']{20}[^\\s"']*`,
  }),
  detector({
    type: 'authorization_header',
    score: 0.85,
    fold: false,
    pattern:
      '(?i:authorization["\']?[ \\t]{0,2}[:=][ \\t]{0,4}["\']?(?:bearer|basic|token|apikey)[ \\t]{1,3}' +
      '|x-(?:[a-z]{1,12}-)?(?:api-?)?(?:key|token)["\']?[ \\t]{0,2}[:=][ \\t]{0,4}["\']?)' +
      '\\K[0-9A-Za-z_~+/.=-]{16}(?C)[0-9A-Za-z_~+/.=-]*',
    check: (text) => entropy(text) >= 3 && /[0-9]/.test(text) && /[A-Za-z]/.test(text),
  }),
  detector({
    type: 'vendor_secret',
    score: 0.8,
    fold: false,
    pattern:
      `(?i:${vendors.join('|')})[0-9A-Za-z_.\\t -]{0,20}["'\\s]{0,3}(?:=>|:{1,3}=|\\?=|\\|\\||[=:>,])` +
      '["\'`\\s=]{0,5}\\K[0-9A-Za-z_=-]{14,130}(?![0-9A-Za-z_=-])',
    check: isRandom,
  }),
  detector({ type: 'private_key', score: 0.99, fold: false, pattern: pem }),
  detector({
    type: 'slack_webhook',
    score: 0.95,
    fold: false,
    pattern: 'hooks.slack.com/(?:services|workflows|triggers)/[0-9A-Za-z_+/]{20}[0-9A-Za-z_+/]*',
  }),
  detector({
    type: 'stripe_secret_key',
    score: 0.95,
    fold: false,
    pattern: `${left}(?:sk|rk)_(?:test|live|prod)_[0-9A-Za-z]{10}(?C)[0-9A-Za-z]*`,
    check: (text) => /[0-9]/.test(text) && /[A-Z]/.test(text) && entropy(text) >= 3,
  }),
  detector({
    type: 'tailscale_key',
    score: 0.95,
    fold: false,
    pattern: '(?<![A-Za-z])tskey-[a-z]{2,12}-[0-9A-Za-z]{6,20}-[0-9A-Za-z]{16}[0-9A-Za-z]*',
  }),
  detector({
    type: 'vault_token',
    score: 0.9,
    fold: false,
    pattern: `${left}s\\.[0-9A-Za-z]{24}(?![0-9A-Za-z_.(-])`,
    check: (text) => entropy(text) >= 3.5 && text.replaceAll(/[^0-9]/g, '').length >= 2,
  }),
];

/** Every secret family that can be told by its shape; types may have several shapes. */
export const secrets: readonly Detector[] = [...secretFamilies.map(family), ...others];
