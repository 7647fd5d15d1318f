/** Runs work with at most so many under way at once, across all who share the limit. */
export class InFlight {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * All items, in their order as places come free. After the first failure no more are begun; rejects with it when none of
   * these is under way any more, so that nothing runs on behind an error.
   */
  async forEach<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
    const running: Promise<void>[] = [];
    let failure: { readonly error: unknown } | undefined;
    for (const item of items) {
      await this.#enter();
      if (failure !== undefined) {
        this.#leave();
        break;
      }
      const one = work(item).then(
        () => this.#leave(),
        (error) => {
          failure ??= { error };
          this.#leave();
        },
      );
      running.push(one);
    }
    await Promise.all(running);
    if (failure !== undefined) throw failure.error;
  }

  async #enter(): Promise<void> {
    if (this.#running < this.#limit) {
      this.#running++;
      return;
    }
    // The place passes from who leaves to who waited longest.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
