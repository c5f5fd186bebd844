import type { AuditRecord, Intent } from '../../src/observe/index.ts';

export function intent(exchange: string, more: Partial<Intent> = {}): Intent {
  return {
    exchange,
    request_id: `req-${exchange}`,
    time_ms: Date.UTC(2026, 10, 21, 9),
    route: '/v1/chat/completions',
    format: 'openai-chat',
    caller: {
      organization: 'acme',
      team: 'research',
      key: 'key-1',
      user: 'ann',
      email: 'ann@example.com',
      ip: '10.0.0.7',
    },
    model_asked: 'fast',
    model_used: 'gpt-4o-mini',
    provider: 'openai',
    region: 'us',
    streamed: false,
    held_nusd: 1_500_000,
    program: 'sha256:abc',
    prices: '2026-11-01',
    ...more,
  };
}

export function record(exchange: string, more: Partial<AuditRecord> = {}): AuditRecord {
  return {
    ...intent(exchange),
    attempts: [{ provider: 'openai', model: 'gpt-4o-mini', status: 200, ms: 412 }],
    scanned_in_bytes: 1024,
    scanned_out_bytes: 700,
    rails: [
      { rail: 'pii', on: 'request', outcome: 'clear', findings: [] },
      {
        rail: 'secrets',
        on: 'response',
        outcome: 'findings',
        findings: [{ type: 'aws_access_key', place: 'choice 0 content', start: 3, end: 23, score: 1, view: 'plain' }],
      },
    ],
    facts: { 'llm.model': 'gpt-4o-mini', 'llm.estimatedCost': 0.0012, 'team.tier': 'pro' },
    decision: {
      request: {
        decision: 'allow',
        policy: 'security/secrets',
        version: '1.0.0',
        rules: ['security/secrets/redact'],
        reasons: ['nothing found'],
        obligations: [],
        shadowed: [],
        unable: [],
        warnings: [],
      },
    },
    usage: { input: 210, output: 90, cacheRead: 0 },
    cost_nusd: 85_500,
    cost_estimated: false,
    ending: 'complete',
    timings: { total: 430, upstream: 412, first_token: 120, overhead: 1.2 },
    uninspected: false,
    ...more,
  };
}
