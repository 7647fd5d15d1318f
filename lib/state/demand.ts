/**
 * How many reads are under way that a batch waits for, in all partitions that share a store: work beside the batches asks for
 * nothing meanwhile.
 */
export class Demand {
  #reads = 0;
  #waiting: (() => void)[] = [];

  get underWay(): boolean {
    return this.#reads > 0;
  }

  /** A batch waits for this. */
  async during<T>(read: () => Promise<T>): Promise<T> {
    this.#reads++;
    try {
      return await read();
    } finally {
      if (--this.#reads === 0) for (const go of this.#waiting.splice(0)) go();
    }
  }

  /** Waits until no batch waits for a read. */
  async quiet(): Promise<void> {
    while (this.#reads > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
