import type { Families } from './families.ts';
import { type LabelCap, nameless } from './label-cap.ts';
import type { Distribution, Series } from './series.ts';
import { type TokenKind, tokenKinds } from './token-kinds.ts';

/** What a call's series are found by. */
interface Call {
  readonly team?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
}

interface Ending {
  readonly decision: string;
  readonly status: number;
}

/** The series of one (team, model, provider), found once. */
export interface Bound {
  readonly outcomes: (Ending & { readonly requests: Series })[];
  readonly upstream: Distribution;
  readonly firstToken: Distribution;
  readonly tokens: TokenSeries;
  readonly cost: Series;
}

/** A series for each kind of token that is counted. */
export type TokenSeries = Readonly<Record<TokenKind, Series>>;

/** Bounded like the families: past it series are looked up each time. */
const bound_max = 5000;
const outcomes_max = 100;

/** Finds the series that calls of one team, model and provider add to, by their names as they are: no key is put together. */
export class CallSeries {
  readonly #families: Families;
  readonly #caps: { readonly teams: LabelCap; readonly models: LabelCap; readonly providers: LabelCap };
  readonly #known = new Map<string, Map<string, Map<string, Bound>>>();
  #count = 0;

  constructor(families: Families, caps: { teams: LabelCap; models: LabelCap; providers: LabelCap }) {
    this.#families = families;
    this.#caps = caps;
  }

  of(call: Call): Bound {
    // What is bound passed the caps: nearly every call is found by its names as they are.
    const found = this.#find(call.team || nameless, call.model || nameless, call.provider || nameless);
    if (found !== undefined) return found;
    const team = this.#caps.teams.of(call.team);
    const model = this.#caps.models.of(call.model);
    const provider = this.#caps.providers.of(call.provider);
    return this.#find(team, model, provider) ?? this.#bind(team, model, provider);
  }

  /** The series of requests with this decision and status. */
  requests({ outcomes, cost }: Bound, { decision, status }: Ending): Series {
    for (const one of outcomes) if (one.status === status && one.decision === decision) return one.requests;
    const { team = '', model = '', provider = '' } = cost.labels;
    const requests = this.#families.requests.of(team, model, provider, decision, String(status));
    if (outcomes.length < outcomes_max) outcomes.push({ decision, status, requests });
    return requests;
  }

  #find(team: string, model: string, provider: string): Bound | undefined {
    return this.#known.get(team)?.get(model)?.get(provider);
  }

  #bind(team: string, model: string, provider: string): Bound {
    const { upstream, firstToken, tokens, cost } = this.#families;
    const bound: Bound = {
      outcomes: [],
      upstream: upstream.of(model, provider),
      firstToken: firstToken.of(model, provider),
      tokens: Object.fromEntries(
        tokenKinds.map(([field, kind]) => [field, tokens.of(team, model, provider, kind)]),
      ) as TokenSeries,
      cost: cost.of(team, model, provider),
    };
    if (this.#count >= bound_max) return bound;
    this.#count += 1;
    const ofTeam = this.#known.get(team) ?? new Map<string, Map<string, Bound>>();
    const ofModel = ofTeam.get(model) ?? new Map<string, Bound>();
    this.#known.set(team, ofTeam.set(model, ofModel.set(provider, bound)));
    return bound;
  }
}
