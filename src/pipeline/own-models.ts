import { Failure } from '../exchange/index.ts';
import type { Walk } from './walk.ts';

type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

interface ModelBody {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
}

/** The models the caller may use, in OpenAI's shape. With a name, that one; throws `model_not_found` where it may not. */
export async function ownModels(walk: Walk, headers: RequestHeaders, name: string | undefined): Promise<unknown> {
  const { directory, catalog } = walk.pinned();
  const identity = await directory.identify(headers);
  const usable = catalog
    .list()
    .filter((model) => identity.mayUse(model.id))
    .map((model): ModelBody => ({ id: model.id, object: 'model', created: 0, owned_by: model.provider }));
  if (name === undefined) return { object: 'list', data: usable };
  const one = usable.find((model) => model.id === name);
  if (one === undefined) {
    throw new Failure('model_not_found', `The model '${name}' does not exist or you do not have access to it.`, {
      param: 'model',
    });
  }
  return one;
}
