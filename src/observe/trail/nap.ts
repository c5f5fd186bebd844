/** Sleeps that are cut short: by work while there is nothing to do, by the end at any time. */
export class Nap {
  #wake: ((now: boolean) => void) | undefined;
  #over = false;

  /** Whether the end has come: from then on a sleep is cut short by the next call of `end` alone. */
  get over(): boolean {
    return this.#over;
  }

  /** Until woken (without a time), or until the time is over. */
  sleep(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      this.#wake = (now) => {
        if (now || ms === undefined) done();
      };
    });
  }

  /** There is work. */
  wake(): void {
    this.#wake?.(false);
  }

  /** The sleep is over, whatever its time. */
  cut(): void {
    this.#wake?.(true);
  }

  end(): void {
    this.#over = true;
    this.#wake?.(true);
  }
}
