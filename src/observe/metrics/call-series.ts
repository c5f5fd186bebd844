import type { Families } from './families.ts';
import type { LabelCap } from './label-cap.ts';
import type { Distribution, Series } from './series.ts';
import { tokenKinds } from './token-kinds.ts';

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
  /** In the order of `tokenKinds`. */
  readonly tokens: readonly Series[];
  readonly cost: Series;
}

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
    const team = this.#caps.teams.of(call.team);
    const model = this.#caps.models.of(call.model);
    const provider = this.#caps.providers.of(call.provider);
    return this.#known.get(team)?.get(model)?.get(provider) ?? this.#bind(team, model, provider);
  }

  /** The series of requests with this decision and status. */
  requests({ outcomes, cost }: Bound, { decision, status }: Ending): Series {
    for (const one of outcomes) if (one.status === status && one.decision === decision) return one.requests;
    const { team = '', model = '', provider = '' } = cost.labels;
    const requests = this.#families.requests.of(team, model, provider, decision, String(status));
    if (outcomes.length < outcomes_max) outcomes.push({ decision, status, requests });
    return requests;
  }

  #bind(team: string, model: string, provider: string): Bound {
    const { upstream, firstToken, tokens, cost } = this.#families;
    const bound: Bound = {
      outcomes: [],
      upstream: upstream.of(model, provider),
      firstToken: firstToken.of(model, provider),
      tokens: tokenKinds.map(([, kind]) => tokens.of(team, model, provider, kind)),
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
