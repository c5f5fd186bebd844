import { modelRule } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import { type KnownPlaces, type PolicyProblem, type Program, unknownPlaces } from '../policy/index.ts';

type PlaceSettings = Pick<Settings, 'modelNames' | 'policyFiles'>;

/**
 * Providers and models that rules of a program name and this configuration does not know. One that is off may be named.
 * `texts` are the policies' files, for lines; the configuration's where they are left out.
 */
export function placeProblems(
  settings: PlaceSettings,
  program: Program,
  texts = settings.policyFiles.map(({ path, text }) => ({ file: path, text })),
): readonly PolicyProblem[] {
  return unknownPlaces(program, placesOf(settings.modelNames), texts);
}

const known = new WeakMap<PlaceSettings['modelNames'], KnownPlaces>();

function placesOf(modelNames: PlaceSettings['modelNames']): KnownPlaces {
  let places = known.get(modelNames);
  if (places === undefined) {
    places = knownPlaces(modelNames);
    known.set(modelNames, places);
  }
  return places;
}

function knownPlaces({ entries, providers }: PlaceSettings['modelNames']): KnownPlaces {
  const rules = new Map<string, ReturnType<typeof modelRule>>();
  const models = [...entries];
  for (const [id, names] of Object.entries(providers)) {
    rules.set(id, modelRule(names.flatMap(({ name, own = name }) => [name, own])));
    // A pattern that several providers have is asked for with the provider before it.
    models.push(...names.flatMap(({ name }) => (name.includes('*') ? [name, `${id}/${name}`] : [name])));
  }
  return {
    providers: Object.keys(providers),
    models,
    offers: modelRule(models),
    has: (provider, model) => rules.get(provider)?.(model) === true,
  };
}
