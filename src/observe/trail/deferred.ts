/** A promise with the hand that resolves it. */
export interface Deferred {
  readonly done: Promise<void>;
  readonly resolve: () => void;
}

export function deferred(): Deferred {
  let resolve: () => void = () => {};
  const done = new Promise<void>((yes) => {
    resolve = yes;
  });
  return { done, resolve };
}
