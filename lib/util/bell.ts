/** Wakes who waits for something to change. */
export class Bell {
  /** How often it has rung: look at it before looking at what may change. */
  rings = 0;
  #next: { readonly rung: Promise<void>; readonly wake: () => void } | undefined;

  ring(): void {
    this.rings++;
    this.#next?.wake();
    this.#next = undefined;
  }

  /** Resolves once it has rung more often than `rings`. */
  after(rings: number): Promise<void> {
    if (this.rings > rings) return Promise.resolve();
    if (this.#next === undefined) {
      let wake = (): void => {};
      const rung = new Promise<void>((resolve) => (wake = resolve));
      this.#next = { rung, wake };
    }
    return this.#next.rung;
  }
}
