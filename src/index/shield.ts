import { type FactTree, Unable } from '../policy/index.ts';
import { Service, ServiceError, type ServiceOptions } from './service.ts';

export { ServiceError, type ServiceOptions } from './service.ts';

/** Rails whose facts a shield can fill in. */
export type ShieldRail = 'pii' | 'secrets' | 'injection';

export interface ShieldOptions extends ServiceOptions {
  /** The service's scanner for each rail. Only these are asked. */
  readonly scanners?: Partial<Readonly<Record<ShieldRail, string>>>;
}

/** What one scanner of the service said of a text. */
export interface Scanned {
  readonly scanner: string;
  readonly isValid: boolean;
  /** 0 to 1. */
  readonly riskScore: number;
  readonly entities: readonly { readonly entityType: string; readonly start: number; readonly end: number }[];
}

/** Types as policies call them, by the service's words. */
const types: Readonly<Record<string, string>> = {
  email: 'email',
  email_address: 'email',
  phone: 'phone',
  phone_number: 'phone',
  credit_card: 'card',
  ssn: 'us_ssn',
  us_ssn: 'us_ssn',
  ip: 'ip',
  ip_address: 'ip',
  iban: 'iban',
};

/**
 * Asks a service that speaks LLM Shield's REST API (`POST /v1/scan/prompt`, `/v1/scan/output`) and makes facts of what it
 * says: `{ rails: { injection: { found, types, score, count } } }`, to be put into a context. A rail that could not be
 * asked about is `Unable`, never clear: what that means is the policy's choice.
 */
export class ShieldClient {
  readonly #service: Service;
  readonly #scanners: readonly (readonly [ShieldRail, string])[];

  constructor(options: ShieldOptions) {
    const { scanners = { pii: 'pii', secrets: 'secrets', injection: 'prompt_injection' } } = options;
    this.#service = new Service(options);
    this.#scanners = Object.entries(scanners) as [ShieldRail, string][];
  }

  /** Facts about a prompt. Never rejects. */
  promptFacts(prompt: string): Promise<FactTree> {
    return this.#facts(() => this.scanPrompt(prompt));
  }

  /** Facts about a reply to a prompt. Never rejects. */
  outputFacts(prompt: string, output: string): Promise<FactTree> {
    return this.#facts(() => this.scanOutput(prompt, output));
  }

  /** What each scanner said. Rejects with `ServiceError`. */
  scanPrompt(prompt: string): Promise<readonly Scanned[]> {
    return this.#scan('/v1/scan/prompt', { prompt });
  }

  /** What each scanner said. Rejects with `ServiceError`. */
  scanOutput(prompt: string, output: string): Promise<readonly Scanned[]> {
    return this.#scan('/v1/scan/output', { prompt, output });
  }

  async #scan(path: string, texts: object): Promise<readonly Scanned[]> {
    const scanners = this.#scanners.map(([, scanner]) => scanner);
    const answer = await this.#service.json('POST', path, { ...texts, scanners });
    const results = (answer as { scannerResults?: unknown } | null)?.scannerResults;
    if (!Array.isArray(results)) throw new ServiceError(`POST ${path} was answered without scannerResults`, 0);
    return results.map((result) => scanned(result, path));
  }

  async #facts(scan: () => Promise<readonly Scanned[]>): Promise<FactTree> {
    const results = await scan().catch((error: Error) => error);
    const facts = this.#scanners.map(([rail, scanner]): [string, unknown] => {
      if (results instanceof Error) return [rail, unable(`the shield: ${results.message}`)];
      const result = results.find((one) => one.scanner === scanner);
      return [rail, result === undefined ? unable(`the shield said nothing of ${scanner}`) : factsOf(result)];
    });
    return { rails: Object.fromEntries(facts) };
  }
}

/** Every fact of a rail, none of which could be found out. */
function unable(reason: string): FactTree {
  const fact = new Unable(reason);
  return { found: fact, types: fact, score: fact, count: fact };
}

function factsOf({ isValid, riskScore, entities }: Scanned): FactTree {
  const found = entities.map(({ entityType }) => types[entityType.toLowerCase()] ?? entityType.toLowerCase());
  return {
    found: !isValid || found.length > 0,
    types: [...new Set(found)].sort(),
    score: riskScore,
    count: found.length > 0 ? found.length : Number(!isValid),
  };
}

/** A result as it must be. Throws `ServiceError`: half an answer is none. */
function scanned(result: unknown, path: string): Scanned {
  const { scanner, isValid, riskScore, entities = [] } = (result ?? {}) as Record<string, unknown>;
  const whole =
    typeof scanner === 'string' &&
    typeof isValid === 'boolean' &&
    typeof riskScore === 'number' &&
    Array.isArray(entities) &&
    entities.every((one) => typeof (one as { entityType?: unknown } | null)?.entityType === 'string');
  if (!whole) throw new ServiceError(`POST ${path} was answered with a result that cannot be read`, 0);
  return { scanner, isValid, riskScore, entities };
}
