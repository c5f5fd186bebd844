const hidden = new WeakMap<Secret, string>();

/**
 * A value that cannot be printed: every way of turning it into text, JSON or an inspector's view gives `[secret]`.
 * Only `reveal()` gives the value, so each place a secret is used can be found by name.
 */
export class Secret {
  constructor(value: string) {
    hidden.set(this, value);
  }

  /** The value itself. Call it where it is used, never to keep it. */
  reveal(): string {
    return hidden.get(this) ?? '';
  }

  /** An empty secret matches nothing and authenticates nothing. */
  get empty(): boolean {
    return this.reveal().length === 0;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.toPrimitive](): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}
