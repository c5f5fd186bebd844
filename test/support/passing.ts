import { type ApiProvider, startApiProvider } from './api-provider.ts';
import { fakeOpenai, startGateway, type TestGateway, type TestGatewayOptions, teamKey } from './gateway.ts';
import { type Asker, askerOf } from './money.ts';

/** An entry of the section `passthrough`. */
export interface PassthroughEntry {
  readonly provider?: string;
  readonly reserve_usd?: number;
  readonly methods?: readonly string[];
  readonly paths?: readonly string[];
}

export interface PassingOptions extends Omit<TestGatewayOptions, 'openai' | 'anthropic'> {
  /** Default: one for all paths, GET and POST, that holds a cent. */
  readonly entries?: readonly PassthroughEntry[];
  readonly directory?: string;
}

/** A gateway before a provider's whole API, some of which may go through unread. */
export interface PassingHouse {
  readonly api: ApiProvider;
  readonly gateway: TestGateway;
  readonly asker: Asker;
  /** Calls `/passthrough/{provider}{path}` as the team. */
  pass(path: string, init?: RequestInit & { duplex?: 'half' }): Promise<Response>;
  close(keep?: boolean): Promise<void>;
}

/** The id of the provider every house has. */
export const passProvider = 'fake-openai';

/** A budget that shows what is held and spent. */
export const tenDollars = { budgets: [{ window: 'day', limit_usd: 10 }] };

export async function startPassing(options: PassingOptions = {}): Promise<PassingHouse> {
  const { entries = [{}], ...rest } = options;
  const api = await startApiProvider();
  const gateway = await startGateway({
    team: tenDollars,
    providers: { [passProvider]: fakeOpenai(api.baseUrl) },
    ...rest,
    config: { passthrough: entriesOf(entries), ...rest.config },
  });
  return {
    api,
    gateway,
    asker: askerOf(gateway),
    pass: (path, init = {}) =>
      fetch(`${gateway.origin}/passthrough/${passProvider}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${teamKey}`, ...(init.headers as Record<string, string> | undefined) },
      }),
    async close(keep) {
      await gateway.close(keep);
      await api.close();
    },
  };
}

export function entriesOf(entries: readonly PassthroughEntry[]): readonly PassthroughEntry[] {
  return entries.map((entry) => ({ provider: passProvider, reserve_usd: 0.01, ...entry }));
}

/** Nano-dollars of a cent: what a test entry holds. */
export const cent = 10_000_000;

/** What `/v1/usage` says of the team's first budget, in nano-dollars. */
export async function standing({ gateway }: PassingHouse): Promise<{ spent: number; held: number }> {
  const response = await fetch(`${gateway.origin}/v1/usage`, { headers: { authorization: `Bearer ${teamKey}` } });
  const { budgets } = (await response.json()) as { budgets: { spent_usd: number; held_usd: number }[] };
  const whole = (dollars: number | undefined) => Math.round((dollars ?? Number.NaN) * 1e9);
  return { spent: whole(budgets[0]?.spent_usd), held: whole(budgets[0]?.held_usd) };
}

/** The error of a refusal, in OpenAI's words. */
export async function errorOf(response: Response): Promise<Record<string, unknown>> {
  return ((await response.json()) as { error: Record<string, unknown> }).error;
}
