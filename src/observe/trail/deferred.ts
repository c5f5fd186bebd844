/** A promise with the hand that resolves it. */
export interface Deferred {
  readonly done: Promise<void>;
  readonly resolve: () => void;
}

/** One that may be rejected as well. */
export interface Refusable extends Deferred {
  readonly reject: (error: Error) => void;
}

export function refusable(): Refusable {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const done = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { done, resolve, reject };
}

export function deferred(): Deferred {
  return refusable();
}
