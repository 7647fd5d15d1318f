/**
 * Whether the processors have time to spare. Rows that are brought in parts take up to half as many requests again as rows that are brought
 * together: where processors would idle otherwise, that costs no batch anything; where they are busy, all wait for it.
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';

/** Share of the processors' time that this process takes: up to which there is some to spare, and up to which there is again. */
const BUSY = 0.8;
const QUIET = 0.55;
/** Of less time nothing is told. */
const LEAST_MS = 50;

/** Time of the process, ms: by the clock, and of all its threads on processors. */
export interface ProcessTimes {
  wallMs(): number;
  cpuMs(): number;
}

const OF_THIS_PROCESS: ProcessTimes = {
  wallMs: () => performance.now(),
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

export class SpareTime {
  readonly #times: ProcessTimes;
  readonly #processors: number;
  #wallMs: number;
  #cpuMs: number;
  #isSpare = true;

  constructor(times = OF_THIS_PROCESS, processors = availableParallelism()) {
    this.#times = times;
    this.#processors = processors;
    this.#wallMs = times.wallMs();
    this.#cpuMs = times.cpuMs();
  }

  /** By what the process has taken since it was last asked. */
  isSpare(): boolean {
    const [wallMs, cpuMs] = [this.#times.wallMs(), this.#times.cpuMs()];
    const passedMs = wallMs - this.#wallMs;
    if (passedMs < LEAST_MS) return this.#isSpare;
    const share = (cpuMs - this.#cpuMs) / (passedMs * this.#processors);
    this.#isSpare = share < (this.#isSpare ? BUSY : QUIET);
    [this.#wallMs, this.#cpuMs] = [wallMs, cpuMs];
    return this.#isSpare;
  }
}
