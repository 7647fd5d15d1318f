/**
 * What `onRow` and `onTimer` get: the context of one call. What it emits is kept until it has succeeded, and goes on in the order of rows and
 * timers, whichever call was done first.
 */
import { JobError } from '../../errors.ts';
import { copyChecked } from '../../util/copy-plain.ts';
import { toMs } from '../../util/duration.ts';
import { decodeKey, type Key } from './key.ts';
import type { Clock, KeyState } from './process-key.ts';

export interface Emitted {
  readonly row: unknown;
  readonly time: number;
}

/** Who learns of timers. */
export interface CallHost {
  /** `undefined`: there is no `onTimer`. */
  readonly onSet: ((of: KeyState, time: number, clock: Clock, before: boolean | undefined) => void) | undefined;
}

export interface CallFacts {
  /** Event time of what is emitted, unless told otherwise. */
  readonly time: number;
  /** Of a timer. */
  readonly clock?: Clock | undefined;
  readonly watermark: number;
  readonly processingTime: number;
}

export class ProcessCall {
  readonly key: Key;
  readonly watermark: number;
  readonly processingTime: number;
  /** Of a row. */
  readonly eventTime: number | undefined;
  /** Of a timer. */
  readonly clock: Clock | undefined;
  readonly timers: { set(time: number, clock?: Clock): void; delete(time: number, clock?: Clock): void };
  readonly #of: KeyState;
  readonly #facts: CallFacts;
  readonly #emitted: Emitted[] = [];
  #isOver = false;

  constructor(of: KeyState, host: CallHost, facts: CallFacts) {
    const { time, clock, watermark, processingTime } = facts;
    this.key = decodeKey(of.key);
    this.watermark = watermark;
    this.processingTime = processingTime;
    this.eventTime = clock !== undefined || Number.isNaN(time) ? undefined : time;
    this.clock = clock;
    this.#of = of;
    this.#facts = facts;
    this.timers = {
      set: (at, by = 'event') => {
        const before = this.#setTimer(at, by, true);
        if (host.onSet === undefined)
          throw new JobError('NO_ON_TIMER', 'ctx.timers.set() without onTimer: give process() one');
        host.onSet(of, at, by, before);
      },
      delete: (at, by = 'event') => void this.#setTimer(at, by, false),
    };
  }

  get state(): unknown {
    this.#check();
    return this.#of.state;
  }

  set state(state: unknown) {
    this.#check();
    this.#of.state = state;
  }

  // Bound, as are timers: functions may take them out of their context.
  readonly emit = (row: unknown, options: { readonly eventTime?: number | undefined } = {}): void => {
    this.#check();
    const { eventTime: time = this.#facts.time } = options;
    if (options.eventTime !== undefined) assertTime(time, 'ctx.emit(): eventTime');
    this.#emitted.push({ row: copyChecked(row), time });
  };

  readonly ttl = (after: number | string | null): void => {
    this.#check();
    const ms = after === null ? null : toMs(after as number, 'ctx.ttl()');
    if (ms === 0)
      throw new JobError('BAD_DURATION', 'ctx.ttl() must be above 0; use ctx.clear() to forget the state now');
    this.#of.setTtl(ms);
  };

  readonly clear = (): void => {
    this.#check();
    this.#of.clear();
  };

  /** The function has ended. @returns what it has emitted */
  end(): readonly Emitted[] {
    this.#isOver = true;
    return this.#emitted;
  }

  #setTimer(time: number, clock: Clock, isSet: boolean): boolean | undefined {
    this.#check();
    assertTime(time, `ctx.timers.${isSet ? 'set' : 'delete'}(): time`);
    if (clock !== 'event' && clock !== 'processing') {
      throw new JobError('BAD_ARGUMENT', `a timer's clock is 'event' or 'processing', not ${JSON.stringify(clock)}`);
    }
    // -0 is 0.
    return this.#of.setTimer(clock, time + 0, isSet);
  }

  #check(): void {
    if (!this.#isOver) return;
    throw new JobError(
      'STATE_AFTER_CALL',
      'ctx of process() is used after its function ended: await what is read, and do not keep ctx for later',
    );
  }
}

function assertTime(time: unknown, what: string): void {
  if (typeof time === 'number' && Number.isFinite(time)) return;
  throw new JobError('BAD_ARGUMENT', `${what} must be a finite number of ms since 1970, not ${String(time)}`);
}
