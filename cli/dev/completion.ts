/**
 * Brings a local job to its end: all input planned, windows closed if that is asked for, every batch committed and published
 * by every partition. Looks at the objects only; what the functions do in between is their business.
 */
import { systemClock } from '../../lib/util/clock.ts';
import { openQueue } from '../aws/queues.ts';
import { sendFlush } from '../aws/send-rows.ts';
import { type PlannedName, Unplanned } from '../state/planned-objects.ts';
import { type Position, Positions } from '../state/positions.ts';
import type { StoredJob } from '../state/stored-job.ts';

const LOOK_MS = 500;

export interface CompletionOptions {
  readonly job: StoredJob;
  /** What was sent. */
  readonly inputs: readonly PlannedName[];
  readonly inputQueueUrl: string;
  /** Runs the maintain function now, instead of waiting for its schedule. */
  readonly maintain: () => Promise<void>;
  /** Called at each look; throws if the job cannot come to its end. */
  readonly onLook: (look: Look) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Look extends Position {
  readonly inputs: number;
  readonly unplanned: number;
}

export class Completion {
  readonly #options: CompletionOptions;
  readonly #positions: Positions;

  constructor(options: CompletionOptions) {
    this.#options = options;
    this.#positions = new Positions(options.job);
  }

  /** Reads how far the job is. */
  async look(unplanned = 0): Promise<Look> {
    return { ...(await this.#positions.read()), inputs: this.#options.inputs.length, unplanned };
  }

  /** Resolves when all that was sent is planned. */
  async planned(): Promise<void> {
    await this.#until(this.#options.inputs, () => true);
  }

  /** Closes all windows; all input must be planned. */
  async flush(): Promise<void> {
    const name = await sendFlush(await openQueue(this.#options.inputQueueUrl));
    await this.#until([{ source: '', name }], () => true);
  }

  /** Resolves when all that is planned is committed and published, and no windows are left that the watermark has passed. */
  async done(): Promise<void> {
    const isDone = ({ planned, committed, published }: Position): boolean =>
      committed >= planned && published >= planned;
    for (;;) {
      const { planned } = await this.#until([], isDone);
      await this.#options.maintain();
      if ((await this.look()).planned === planned) return;
    }
  }

  async #until(names: readonly PlannedName[], isEnough: (position: Position) => boolean): Promise<Look> {
    const { onLook, signal } = this.#options;
    const unplanned = new Unplanned(this.#options.job, names);
    for (;;) {
      const left = (await unplanned.left()).length;
      const look = await this.look(left);
      await onLook(look);
      if (left === 0 && isEnough(look)) return look;
      await systemClock.sleep(LOOK_MS, signal);
    }
  }
}
