import { afterEach, beforeEach } from 'vitest';
import { type Ran, run } from '../cli/world.ts';
import { Place } from '../config/place.ts';

/** Tests of a policy `cap` whose rule `dear` denies calls of 2 dollars. */
export const capTests = `apiVersion: llm-policy/v1
kind: PolicyTest
metadata: { name: cap }
policies: [./cap.yaml]
tests:
  - name: a dear call is denied
    input: { set: { llm.estimatedCost: 2 } }
    expect: { decision: deny, by: [cap/dear] }
`;

export interface CapPlace {
  /** The directory of the test that runs. */
  readonly place: Place;
  cli(...args: string[]): Promise<Ran>;
}

/** A directory for each test of a file, whose `p` has the policy and its tests, and the command line in it. */
export function openCapPlace(policy: string): CapPlace {
  let place: Place;
  beforeEach(() => {
    place = new Place();
    place.write('p/cap.yaml', policy);
    place.write('p/cap.policytest.yaml', capTests);
  });
  afterEach(() => place.remove());
  return {
    get place() {
      return place;
    },
    cli: (...args) => run(place.path, args),
  };
}
