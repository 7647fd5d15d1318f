/**
 * Whether the processors have time to spare. Rows that are brought in parts take up to half as many requests again as rows that are brought
 * together: where processors would idle otherwise, that costs no batch anything; where they are busy, all wait for it.
 */
import { availableParallelism } from 'node:os';
import type { Clock } from '../util/clock.ts';

/** Share of the processors' time that this process takes: up to which there is some to spare, and up to which there is again. */
const BUSY = 0.8;
const QUIET = 0.6;
/** Of less time nothing is told. */
const LEAST_MS = 50;
/** What was taken so long ago counts a third: a fold, a compaction or a collection of garbage is no load. */
const MEMORY_MS = 1000;

/** Time that all threads of this process have taken on processors, ms. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export class SpareTime {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #cpu: () => number;
  readonly #processors: number;
  #wallMs: number;
  #cpuMs: number;
  /** Taken of late: recent time counts most. */
  #share = 0;
  #isSpare = true;

  /** @param cpu of the process, ms */
  constructor(clock: Pick<Clock, 'monotonic'>, cpu = processorMs, processors = availableParallelism()) {
    this.#clock = clock;
    this.#cpu = cpu;
    this.#processors = processors;
    this.#wallMs = clock.monotonic();
    this.#cpuMs = cpu();
  }

  /** By what the process has taken in the last second or so. */
  isSpare(): boolean {
    const [wallMs, cpuMs] = [this.#clock.monotonic(), this.#cpu()];
    const passedMs = wallMs - this.#wallMs;
    if (passedMs < LEAST_MS) return this.#isSpare;
    const share = (cpuMs - this.#cpuMs) / (passedMs * this.#processors);
    this.#share += (share - this.#share) * (1 - Math.exp(-passedMs / MEMORY_MS));
    this.#isSpare = this.#share < (this.#isSpare ? BUSY : QUIET);
    [this.#wallMs, this.#cpuMs] = [wallMs, cpuMs];
    return this.#isSpare;
  }
}
