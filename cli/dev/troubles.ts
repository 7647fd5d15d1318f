/**
 * What can keep a local job from ever being done: a halted partition, messages that were given up, an error that trying
 * again does not help, or nothing that moves for long. Each becomes an error with what the functions said of it.
 */
import { haltedPlace } from '../../lib/commit/halt.ts';
import { MisaError } from '../../lib/errors.ts';
import { cutText } from '../../lib/util/text.ts';
import type { JobQueues } from '../aws/queues.ts';
import { messagesIn } from '../aws/queues.ts';
import type { Halted, Position } from '../state/positions.ts';
import type { FunctionError, FunctionErrors } from './function-errors.ts';

/** After errors, the retries and the sweep have this long to make progress. */
const STUCK_WITH_ERRORS_MS = 240_000;
/** Without errors, and without any progress. */
const STUCK_MS = 420_000;
const DEAD_LETTERS_EVERY_MS = 5_000;
const SHOWN_ERRORS = 5;
const SHOWN_CHARS = 400;

export interface TroubleOptions {
  readonly job: string;
  readonly queues: Pick<JobQueues, 'depths' | 'peek'>;
  readonly errors: Pick<FunctionErrors, 'next'>;
  readonly onError: (error: FunctionError) => void;
  readonly nowMs: () => number;
}

export class Troubles {
  readonly #options: TroubleOptions;
  readonly #errors: FunctionError[] = [];
  #last = '';
  #movedMs: number;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(options: TroubleOptions) {
    this.#options = options;
    this.#movedMs = options.nowMs();
  }

  /** Reads the logs; tells each error once. */
  async watch(): Promise<void> {
    for (const error of await this.#options.errors.next()) {
      if (this.#errors.some(({ message }) => message === error.message)) continue;
      this.#errors.push(error);
      this.#options.onError(error);
    }
  }

  /**
   * @param progress a text that changes with any progress
   * @throws {MisaError} `HALTED`, `DEAD_LETTERS`, `FUNCTION_FAILED`, `STUCK`
   */
  async check({ halted }: Position, progress: string): Promise<void> {
    const nowMs = this.#options.nowMs();
    if (progress !== this.#last) {
      this.#last = progress;
      this.#movedMs = nowMs;
    }
    const [first] = halted;
    if (first !== undefined) throw haltedError(this.#options.job, first);
    await this.#deadLetters();
    const final = this.#errors.find((error) => error.final);
    if (final !== undefined) {
      throw new MisaError('FUNCTION_FAILED', `the function ${final.function} failed: ${final.message}`);
    }
    const idleMs = nowMs - this.#movedMs;
    if (idleMs >= (this.#errors.length > 0 ? STUCK_WITH_ERRORS_MS : STUCK_MS)) {
      throw this.#failed('STUCK', `nothing has moved for ${Math.round(idleMs / 60_000)} minutes (${progress})`);
    }
  }

  async #deadLetters(): Promise<void> {
    const { queues, nowMs } = this.#options;
    if (nowMs() - this.#lookedMs < DEAD_LETTERS_EVERY_MS) return;
    this.#lookedMs = nowMs();
    const dead = (await queues.depths((queue) => queue.dead)).find((queue) => messagesIn(queue) > 0);
    if (dead === undefined) return;
    const messages = await queues.peek(dead);
    const bodies = messages.map(({ body }) => `\n  ${cutText(body, SHOWN_CHARS)}`).join('');
    throw this.#failed(
      'DEAD_LETTERS',
      `${messagesIn(dead)} messages were given up, in queue ${dead.name}:${bodies}\nthey failed`,
    );
  }

  #failed(code: string, what: string): MisaError {
    return new MisaError(code, `${what}. ${errorsText(this.#errors)}`);
  }
}

function errorsText(errors: readonly FunctionError[]): string {
  if (errors.length === 0) return 'The functions logged no errors; with --keep the local AWS stays, to look around';
  const shown = errors
    .slice(-SHOWN_ERRORS)
    .map((error) => `\n  ${error.function}: ${cutText(error.message, SHOWN_CHARS)}`);
  return `The functions logged:${shown.join('')}`;
}

function haltedError(job: string, { path, n, reason }: Halted): MisaError {
  const next = 'Correct the job or its input and run again';
  return new MisaError('HALTED', `${haltedPlace(path)} of job ${job} is halted at batch ${n}: ${reason}. ${next}`);
}
