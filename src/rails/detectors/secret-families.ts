/** How a family's key looks: what it begins with, and how many of which characters follow. */
export interface SecretFamily {
  readonly type: string;
  /** Pattern of the part that names the family. */
  readonly prefix: string;
  /** One character of the rest, as a set. */
  readonly body: string;
  /** How many characters of the body make a key. */
  readonly length: number;
  /** Exactly so many: a longer run is something else. Otherwise all of the run is taken. */
  readonly exact?: true;
  /** Least bits a character of the shortest match, where the prefix alone says too little. */
  readonly entropy?: number;
  /** The prefix stands anywhere, even inside a word. */
  readonly inWords?: true;
}

const alnum = '[0-9A-Za-z]';
const token = '[0-9A-Za-z_-]';
const tokenEq = '[0-9A-Za-z_=.-]';
const hex = '[0-9A-Fa-f]';
const base64 = '[0-9A-Za-z+/]';

/**
 * Keys that say by a fixed beginning whose they are. Shapes are the issuers' own, as the rule sets of gitleaks and
 * secretlint list them (2025). Where an issuer's length is long, forty characters are enough to be sure.
 */
export const secretFamilies: readonly SecretFamily[] = [
  { type: '1password_service_token', prefix: 'ops_eyJ', body: base64, length: 40 },
  { type: 'adobe_client_secret', prefix: 'p8e-', body: alnum, length: 32 },
  { type: 'age_secret_key', prefix: 'AGE-SECRET-KEY-1', body: '[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]', length: 58 },
  { type: 'airtable_token', prefix: `pat${alnum}{14}\\.`, body: hex, length: 40 },
  { type: 'alibaba_access_key', prefix: 'LTAI', body: alnum, length: 20, entropy: 2 },
  { type: 'anthropic_api_key', prefix: 'sk-ant-[a-z]{2,6}[0-9]{2}-', body: token, length: 40 },
  { type: 'artifactory_api_key', prefix: 'AKCp', body: alnum, length: 60, entropy: 3.5 },
  { type: 'artifactory_reference_token', prefix: 'cmVmd', body: alnum, length: 59, exact: true, entropy: 3.5 },
  { type: 'atlassian_api_token', prefix: 'ATATT3', body: '[0-9A-Za-z_=-]', length: 60 },
  { type: 'aws_bedrock_key', prefix: 'ABSK', body: base64, length: 100, entropy: 3 },
  { type: 'aws_bedrock_key', prefix: 'bedrock-api-key-', body: base64, length: 28 },
  { type: 'clickhouse_api_secret', prefix: '4b1d', body: alnum, length: 38, exact: true, entropy: 3 },
  { type: 'clojars_token', prefix: '(?i:clojars_)', body: alnum, length: 60 },
  { type: 'cloudflare_token', prefix: 'cf(?:at|ut|k)_', body: alnum, length: 48, exact: true },
  { type: 'cloudflare_origin_ca_key', prefix: 'v1\\.0-[0-9a-f]{24}-', body: '[0-9a-f]', length: 40 },
  { type: 'defined_networking_token', prefix: 'dnkey-', body: '[0-9A-Za-z_=-]', length: 60 },
  { type: 'digitalocean_token', prefix: '(?i:do[opr]_v1_)', body: hex, length: 40 },
  { type: 'docker_token', prefix: 'dckr_(?:pat|oat)_', body: token, length: 24 },
  { type: 'doppler_token', prefix: 'dp\\.(?:pt|st|ct|sa|scim|audit)\\.', body: '[0-9A-Za-z.]', length: 40 },
  { type: 'dropbox_token', prefix: 'sl\\.', body: '[0-9A-Za-z_=-]', length: 100, entropy: 3 },
  { type: 'duffel_token', prefix: 'duffel_(?:test|live)_', body: '[0-9A-Za-z_=-]', length: 40 },
  { type: 'dynatrace_token', prefix: `(?i:dt0c01)\\.${alnum}{24}\\.`, body: alnum, length: 40 },
  { type: 'easypost_token', prefix: 'EZ[AT]K', body: alnum, length: 54 },
  { type: 'facebook_page_token', prefix: 'EAA[A-Z]', body: alnum, length: 60, entropy: 3 },
  { type: 'facebook_access_token', prefix: '[0-9]{15,16}[|%]', body: token, length: 27, entropy: 3 },
  { type: 'figma_token', prefix: 'fig[dou]_?', body: token, length: 40, entropy: 3 },
  { type: 'flutterwave_key', prefix: 'FLW(?:SECK|PUBK)_TEST-', body: '[0-9A-Ha-h]', length: 12 },
  { type: 'flyio_token', prefix: '(?:fo1_|fm1[ar]_|fm2_)', body: '[0-9A-Za-z_+/=-]', length: 43 },
  { type: 'frameio_token', prefix: 'fio-u-', body: '[0-9A-Za-z_=-]', length: 40 },
  { type: 'gcp_api_key', prefix: 'AIza', body: token, length: 35, entropy: 3 },
  { type: 'github_token', prefix: 'gh[pousr]_', body: alnum, length: 36 },
  { type: 'github_fine_grained_token', prefix: 'github_pat_', body: '[0-9A-Za-z_]', length: 40 },
  { type: 'gitlab_token', prefix: 'gl(?:pat|dt|ft|soat|imt|ffct|agent|oas)-', body: tokenEq, length: 20 },
  { type: 'gitlab_token', prefix: 'gl(?:ptt|rt|rtr|cbt)-', body: tokenEq, length: 20 },
  { type: 'gitlab_token', prefix: 'GR1348941', body: token, length: 20 },
  { type: 'gitlab_session', prefix: '_gitlab_session=', body: '[0-9a-z]', length: 32, inWords: true },
  { type: 'gocardless_token', prefix: 'live_', body: '[0-9A-Za-z_=-]', length: 40, exact: true, entropy: 3.5 },
  { type: 'google_oauth_secret', prefix: 'GOCSPX-', body: token, length: 28 },
  { type: 'google_oauth_token', prefix: 'ya29\\.', body: token, length: 40 },
  { type: 'grafana_token', prefix: 'eyJrIjoi', body: alnum, length: 60 },
  { type: 'grafana_token', prefix: 'glc_eyJ', body: base64, length: 24 },
  { type: 'grafana_token', prefix: '(?i:glc_)', body: base64, length: 32, entropy: 3 },
  { type: 'grafana_token', prefix: `(?i:glsa_)${alnum}{32}_`, body: hex, length: 8 },
  { type: 'groq_api_key', prefix: 'gsk_', body: alnum, length: 52, exact: true },
  { type: 'harness_api_key', prefix: `[ps]at\\.${token}{22}\\.${alnum}{24}\\.`, body: alnum, length: 20 },
  // The fourteen characters before it name the token; the secret is what follows.
  { type: 'hashicorp_terraform_token', prefix: 'atlasv1\\.', body: '[0-9A-Za-z_=-]', length: 50, inWords: true },
  { type: 'heroku_api_key', prefix: 'HRKU-AA', body: token, length: 58 },
  { type: 'huggingface_token', prefix: '(?:hf|api_org)_', body: '[A-Za-z]', length: 34, exact: true },
  { type: 'infracost_api_key', prefix: 'ico-', body: alnum, length: 32, exact: true, entropy: 3 },
  { type: 'intra42_client_secret', prefix: 's-s4t2(?:ud|af)-', body: hex, length: 40 },
  { type: 'linear_api_key', prefix: 'lin_(?:api|oauth)_', body: alnum, length: 40 },
  { type: 'lob_api_key', prefix: '(?:live|test)_(?:pub_)?', body: '[0-9a-f]', length: 31, entropy: 3 },
  { type: 'mailgun_key', prefix: '(?:pub)?key-', body: '[0-9a-f]', length: 32, exact: true },
  { type: 'mapbox_token', prefix: '[ps]k\\.', body: '[0-9a-zA-Z.]', length: 80, entropy: 3 },
  { type: 'netlify_token', prefix: 'nf[pcou]_', body: alnum, length: 36 },
  { type: 'new_relic_key', prefix: 'NR(?:JS|II|AK|AA|AL)-', body: '[0-9A-Za-z-]', length: 19, entropy: 2 },
  { type: 'notion_token', prefix: 'ntn_[0-9]{11}', body: alnum, length: 35, exact: true },
  { type: 'npm_token', prefix: '(?i:npm_)', body: alnum, length: 36, exact: true },
  { type: 'octopus_api_key', prefix: 'API-', body: '[0-9A-Z]', length: 26, exact: true, entropy: 3 },
  { type: 'openai_api_key', prefix: 'sk-(?:[a-z]{4,10}-)?[0-9A-Za-z_-]{20,160}T3BlbkFJ', body: token, length: 20 },
  { type: 'openshift_token', prefix: 'sha256~', body: token, length: 43 },
  { type: 'perplexity_api_key', prefix: 'pplx-', body: alnum, length: 48 },
  { type: 'plaid_token', prefix: 'access-(?:sandbox|development|production)-', body: '[0-9a-f-]', length: 36 },
  { type: 'planetscale_secret', prefix: '(?i:pscale_(?:tkn|oauth|pw)_)', body: tokenEq, length: 32 },
  { type: 'postman_api_key', prefix: 'PMAK-', body: '[0-9A-Fa-f-]', length: 59 },
  { type: 'prefect_token', prefix: 'pn[ub]_', body: alnum, length: 36 },
  { type: 'pulumi_token', prefix: 'pul-', body: '[0-9a-f]', length: 40 },
  { type: 'pypi_token', prefix: 'pypi-AgE', body: token, length: 50 },
  { type: 'readme_api_key', prefix: 'rdme_', body: '[0-9a-z]', length: 40, entropy: 2 },
  { type: 'rubygems_token', prefix: 'rubygems_', body: '[0-9a-f]', length: 40 },
  { type: 'scalingo_token', prefix: 'tk-us-', body: token, length: 48 },
  { type: 'sendgrid_api_key', prefix: `SG\\.${token}{22}\\.`, body: '[0-9A-Za-z_.=-]', length: 43, inWords: true },
  { type: 'sendgrid_api_key', prefix: 'SG\\.', body: '[0-9A-Za-z_.=-]', length: 66, entropy: 3 },
  { type: 'sendinblue_api_key', prefix: 'xkeysib-', body: '[0-9A-Za-z-]', length: 60 },
  { type: 'sentry_token', prefix: 'sntrys_eyJ', body: '[0-9A-Za-z+/=_]', length: 60 },
  { type: 'sentry_token', prefix: 'sntryu_', body: '[0-9a-f]', length: 40 },
  { type: 'settlemint_token', prefix: 'sm_[aps]at_', body: alnum, length: 16, entropy: 3 },
  { type: 'shippo_token', prefix: 'shippo_(?:live|test)_', body: hex, length: 40 },
  { type: 'shopify_token', prefix: 'shp(?:at|ca|pa|ss)_', body: alnum, length: 32, entropy: 2 },
  { type: 'slack_token', prefix: 'xox[abceoprs]-[0-9]', body: '[0-9A-Za-z-]', length: 15, entropy: 2 },
  { type: 'slack_token', prefix: 'xox[ar]-', body: alnum, length: 8, entropy: 2.8 },
  { type: 'slack_token', prefix: 'xox[os]-[0-9]+-[0-9]+-[0-9]+-', body: hex, length: 1 },
  { type: 'slack_token', prefix: '(?i:xoxe.xox[bp]-[0-9]-)', body: alnum, length: 40 },
  { type: 'slack_token', prefix: '(?i:xoxe-[0-9]-)', body: alnum, length: 40 },
  { type: 'slack_token', prefix: '(?i:xapp-[0-9]-[0-9A-Z]+-[0-9]+-)', body: alnum, length: 1, entropy: 2 },
  { type: 'sonar_token', prefix: 'sq[upa]_', body: '[0-9a-f]', length: 40 },
  { type: 'sourcegraph_token', prefix: 'sgp_(?:[0-9A-Fa-f]{16}_|local_)?', body: hex, length: 40 },
  { type: 'square_token', prefix: '(?:EAAA|sq0(?:atp|csp|idp)-)', body: token, length: 22, entropy: 3 },
  { type: 'stripe_secret_key', prefix: '(?:sk|rk)_(?:test|live|prod)_', body: alnum, length: 24 },
  { type: 'stripe_webhook_secret', prefix: 'whsec_', body: alnum, length: 32, entropy: 3 },
  { type: 'telegram_bot_token', prefix: '[0-9]{8,10}:AA', body: token, length: 33, exact: true },
  { type: 'twilio_api_key', prefix: '(?:SK|AC)', body: hex, length: 32, exact: true, entropy: 2.5 },
  { type: 'typeform_token', prefix: 'tfp_', body: tokenEq, length: 40 },
  { type: 'vault_token', prefix: 'hvs\\.', body: token, length: 60 },
  { type: 'vault_token', prefix: 'hvb\\.', body: token, length: 100 },
  { type: 'vercel_token', prefix: 'vc[piakr]_', body: alnum, length: 40 },
  { type: 'yandex_token', prefix: 'AQVN', body: token, length: 35, entropy: 3.5 },
];
