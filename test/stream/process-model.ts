/**
 * What `process` means, the simplest way: one row and one timer after the other, plain maps, nothing durable. Functions of the operator are
 * programs, lists of steps that are data, so that chance can write them; the model runs them itself.
 */
import fc from 'fast-check';
import {
  type ListState,
  listState,
  type MapState,
  mapState,
  type ProcessContext,
  type ProcessOperator,
} from '../../lib/index.ts';

export type Clock = 'event' | 'processing';
export const CLOCKS = ['event', 'processing'] as const;

export type Step =
  | { readonly do: 'add'; readonly v: number }
  | { readonly do: 'assign'; readonly v: number }
  | { readonly do: 'setTimer' | 'deleteTimer'; readonly clock: Clock; readonly in: number }
  | { readonly do: 'put'; readonly part: number; readonly v: number }
  | { readonly do: 'remove' | 'read'; readonly part: number }
  | { readonly do: 'push'; readonly v: number }
  | { readonly do: 'clearMap' | 'clearList' | 'show' | 'clear' | 'throw' | 'newMap' | 'dropList' }
  | { readonly do: 'emit'; readonly at: number | undefined }
  | { readonly do: 'ttl'; readonly ms: number | null };

export interface Row {
  readonly k: string;
  readonly t: number;
  readonly steps: readonly Step[];
}

export interface Programs {
  /** A timer runs the program of its time, modulo how many there are. */
  readonly timers: readonly (readonly Step[])[];
  /** Functions are async. */
  readonly async: boolean;
}

interface State {
  n: number;
  map?: MapState<number, number>;
  list?: ListState<number>;
}

type Out = readonly unknown[];

const ASYNC: ReadonlySet<Step['do']> = new Set(['read', 'show']);

const clock = fc.constantFrom(...CLOCKS);
const v = fc.integer({ min: 0, max: 9 });
const part = fc.integer({ min: 0, max: 3 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ do: fc.constantFrom('add', 'add', 'assign'), v }), weight: 3 },
  { arbitrary: fc.record({ do: fc.constant('setTimer'), clock, in: fc.integer({ min: -4, max: 12 }) }), weight: 5 },
  { arbitrary: fc.record({ do: fc.constant('deleteTimer'), clock, in: fc.integer({ min: -4, max: 12 }) }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant('put'), part, v }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constantFrom('remove', 'read', 'read'), part }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant('push'), v }), weight: 2 },
  {
    arbitrary: fc.record({
      do: fc.constantFrom('clearMap', 'clearList', 'show', 'show', 'clear', 'throw', 'newMap', 'dropList'),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('emit'),
      at: fc.option(fc.integer({ min: -5, max: 50 }), { nil: undefined }),
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ do: fc.constant('ttl'), ms: fc.constantFrom(null, 1, 3, 8) }), weight: 1 },
) as fc.Arbitrary<Step>;

const anySteps = fc.array(anyStep, { maxLength: 5 });
/** Timers that set timers for times that are reached would go on for ever. */
const anyTimerSteps = fc
  .array(anyStep, { maxLength: 4 })
  .map((steps) => steps.map((step) => (step.do === 'setTimer' ? { ...step, in: Math.max(1, step.in) } : step)));

export const anyPrograms: fc.Arbitrary<Programs> = fc.record({
  timers: fc.array(anyTimerSteps, { minLength: 1, maxLength: 4 }),
  async: fc.boolean(),
});

/** Without the steps that only async functions can take. */
export function fitted(steps: readonly Step[], async: boolean): Step[] {
  return steps.filter((step) => async || !ASYNC.has(step.do));
}

export const anyRow: fc.Arbitrary<Row> = fc.record({
  k: fc.constantFrom('a', 'b', 'c', 'd'),
  t: fc.integer({ min: -4, max: 9 }),
  steps: anySteps,
});

/** The operator that runs the programs. */
export function operatorOf({ timers, async }: Programs): ProcessOperator<string, Row, State, Out> {
  type Context = ProcessContext<string, State, Out> & { readonly eventTime?: number | undefined };
  const map = (ctx: Context): MapState<number, number> => {
    // Assigned as a whole, a state gives its new maps and lists at once.
    if (ctx.state.map === undefined) ctx.state = { ...ctx.state, map: mapState() };
    return ctx.state.map!;
  };
  const list = (ctx: Context): ListState<number> => {
    if (ctx.state.list === undefined) ctx.state = { ...ctx.state, list: listState() };
    return ctx.state.list!;
  };
  const at = (ctx: Context, base: number, of: Clock): number => (of === 'event' ? base : ctx.processingTime);
  const now = (step: Step, ctx: Context, base: number): void => {
    if (step.do === 'add') ctx.state.n += step.v;
    if (step.do === 'assign') ctx.state = { ...ctx.state, n: step.v };
    if (step.do === 'setTimer') ctx.timers.set(at(ctx, base, step.clock) + step.in, step.clock);
    if (step.do === 'deleteTimer') ctx.timers.delete(at(ctx, base, step.clock) + step.in, step.clock);
    if (step.do === 'put') map(ctx).set(step.part, step.v);
    if (step.do === 'remove') map(ctx).delete(step.part);
    if (step.do === 'push') list(ctx).push(step.v);
    if (step.do === 'clearMap') map(ctx).clear();
    if (step.do === 'newMap') ctx.state = { ...ctx.state, map: mapState() };
    if (step.do === 'clearList') list(ctx).clear();
    if (step.do === 'dropList') delete ctx.state.list;
    if (step.do === 'emit') {
      const row = [ctx.key, base, ctx.state.n, ctx.watermark, ctx.processingTime];
      ctx.emit(row, step.at === undefined ? undefined : { eventTime: step.at });
    }
    if (step.do === 'ttl') ctx.ttl(step.ms);
    if (step.do === 'clear') ctx.clear();
    if (step.do === 'throw') throw new Error('thrown');
  };
  const later = async (step: Step, ctx: Context): Promise<void> => {
    if (step.do === 'read') ctx.emit([ctx.key, 'read', (await map(ctx).get(step.part)) ?? null]);
    if (step.do !== 'show') return;
    const shown: unknown[] = [];
    for await (const entry of map(ctx)) shown.push(entry);
    for await (const value of list(ctx)) shown.push(value);
    ctx.emit([ctx.key, 'show', shown]);
  };
  const run = (steps: readonly Step[], ctx: Context, base: number): void | Promise<void> => {
    if (async) {
      return (async () => {
        for (const step of steps) {
          if (ASYNC.has(step.do)) await later(step, ctx);
          else now(step, ctx, base);
        }
      })();
    }
    for (const step of steps) now(step, ctx, base);
  };
  return {
    init: () => ({ n: 0, map: mapState(), list: listState() }),
    onRow: (row, ctx) => run(row.steps, ctx, row.t),
    onTimer: (time, ctx) => run(programOf(timers, time), ctx, time),
  };
}

function programOf(timers: Programs['timers'], time: number): readonly Step[] {
  return timers[((time % timers.length) + timers.length) % timers.length]!;
}

interface Held {
  n: number;
  map: Map<number, number> | undefined;
  list: number[] | undefined;
}

interface KeyModel {
  held: Held | undefined;
  /** `undefined`: nothing keeps its time. */
  touched: { at: number; ms: number | null } | undefined;
}

export interface BatchOfModel {
  readonly rows: readonly Row[];
  readonly watermark: number;
  readonly processingTime: number;
  readonly flush: boolean;
}

export class ProcessModel {
  readonly keys = new Map<string, KeyModel>();
  /** `time key`. */
  readonly timers: Record<Clock, Set<string>> = { event: new Set(), processing: new Set() };
  /** What goes on: rows with their event times. */
  out: { readonly row: Out; readonly time: number }[] = [];
  refused = 0;
  readonly #programs: Programs;
  readonly #ttl: number | undefined;
  #batch: BatchOfModel | undefined;
  #previous = Number.NEGATIVE_INFINITY;
  /** In a flush: timers that fire in it. */
  #fires: Record<Clock, Set<string>> | undefined;
  #reached: Record<Clock, number> = { event: 0, processing: 0 };

  constructor(programs: Programs, ttl: number | undefined) {
    this.#programs = programs;
    this.#ttl = ttl;
  }

  batch(batch: BatchOfModel): void {
    this.out = [];
    this.refused = 0;
    this.#batch = batch;
    const { rows, watermark, processingTime, flush } = batch;
    if (!flush) this.#forget(watermark, (key) => rows.some(({ k }) => k === key));
    const known = flush ? this.#previous : watermark;
    const shown = known === -Infinity ? 0 : known;
    for (const row of rows) {
      this.#call(row.k, row.steps, { base: row.t, time: row.t, watermark: shown, processingTime });
    }
    const now = { event: known, processing: processingTime };
    this.#reached = { ...now };
    if (flush) this.#fires = { event: new Set(this.timers.event), processing: new Set(this.timers.processing) };
    for (let fired = true; fired; ) {
      fired = false;
      for (const clock of CLOCKS) {
        for (let timer = this.#next(clock, now[clock]); timer !== undefined; timer = this.#next(clock, now[clock])) {
          fired = true;
          const [time, key] = timer;
          this.timers[clock].delete(`${time} ${key}`);
          this.#fires?.[clock].delete(`${time} ${key}`);
          this.#reached[clock] = Math.max(now[clock], time);
          if (!flush) this.#forget(clock === 'event' ? time : watermark, (other) => other === key);
          const seen = { ...now, event: shown };
          if (flush) seen[clock] = Math.max(now[clock], time);
          this.#call(key, programOf(this.#programs.timers, time), {
            ...{ base: time, time, watermark: seen.event, processingTime: seen.processing },
          });
          this.#reached[clock] = now[clock];
        }
      }
    }
    this.#fires = undefined;
    if (!flush) this.#forget(watermark, () => true);
    this.#previous = watermark;
  }

  /** The timer that fires next. */
  #next(clock: Clock, now: number): [time: number, key: string] | undefined {
    const all = [...this.timers[clock]].map(parse).sort(byTimeAndKey);
    if (this.#fires === undefined) return all.find(([time]) => time <= now);
    // In a flush: of the key of the first that fires, what was set meanwhile and comes before it.
    const fires = this.#fires[clock];
    const first = all.find(([time, key]) => fires.has(`${time} ${key}`));
    return first && all.find(([time, key]) => key === first[1] && time <= first[0]);
  }

  #forget(now: number, which: (key: string) => boolean): void {
    for (const [key, of] of this.keys) {
      if (!which(key)) continue;
      if (of.touched === undefined || of.touched.ms === null) continue;
      if (of.touched.at + of.touched.ms <= now) this.keys.delete(key);
    }
  }

  #call(
    key: string,
    steps: readonly Step[],
    at: { readonly base: number; readonly time: number; readonly watermark: number; readonly processingTime: number },
  ): void {
    const { watermark: clock } = this.#batch!;
    const { processingTime } = at;
    const before = this.keys.get(key) ?? { held: undefined, touched: undefined };
    const of = structuredClone(before);
    const emitted: { row: Out; time: number }[] = [];
    const timers: (() => void)[] = [];
    let ttl: number | null | undefined;
    const state = (): Held => {
      of.held ??= { n: 0, map: new Map(), list: [] };
      return of.held;
    };
    const map = (): Map<number, number> => {
      state().map ??= new Map();
      return state().map!;
    };
    const list = (): number[] => {
      state().list ??= [];
      return state().list!;
    };
    for (const step of steps) {
      if (step.do === 'add') state().n += step.v;
      if (step.do === 'assign') state().n = step.v;
      if (step.do === 'setTimer' || step.do === 'deleteTimer') {
        const time = (step.clock === 'event' ? at.base : processingTime) + step.in;
        timers.push(() => this.#timer(step.clock, time, key, step.do === 'setTimer'));
      }
      if (step.do === 'put') map().set(step.part, step.v);
      if (step.do === 'remove') map().delete(step.part);
      if (step.do === 'push') list().push(step.v);
      if (step.do === 'clearMap') map().clear();
      if (step.do === 'newMap') state().map = new Map();
      if (step.do === 'clearList') list().length = 0;
      if (step.do === 'dropList') state().list = undefined;
      if (step.do === 'emit') {
        emitted.push({ row: [key, at.base, state().n, at.watermark, processingTime], time: step.at ?? at.time });
      }
      if (step.do === 'read') emitted.push({ row: [key, 'read', map().get(step.part) ?? null], time: at.time });
      if (step.do === 'show') {
        const entries = [...map()].sort(([a], [b]) => a - b);
        emitted.push({ row: [key, 'show', [...entries, ...list()]], time: at.time });
      }
      if (step.do === 'ttl') ttl = step.ms;
      if (step.do === 'clear') {
        of.held = undefined;
        of.touched = undefined;
        ttl = undefined;
      }
      if (step.do === 'throw') {
        this.refused++;
        return;
      }
    }
    for (const set of timers) set();
    this.out.push(...emitted);
    if (of.held === undefined) {
      this.keys.delete(key);
      return;
    }
    const ms = ttl !== undefined ? ttl : of.touched?.ms;
    if (ms !== undefined) of.touched = { at: clock, ms };
    else if (this.#ttl !== undefined) of.touched = { at: clock, ms: this.#ttl };
    this.keys.set(key, of);
  }

  #timer(clock: Clock, time: number, key: string, isSet: boolean): void {
    const address = `${time} ${key}`;
    if (!isSet) {
      this.timers[clock].delete(address);
      this.#fires?.[clock].delete(address);
    } else {
      this.timers[clock].add(address);
      if (time <= this.#reached[clock]) this.#fires?.[clock].add(address);
    }
  }
}

export function parse(address: string): [time: number, key: string] {
  const [time, key] = address.split(' ');
  return [Number(time), key!];
}

export function byTimeAndKey([a, k]: readonly [number, string], [b, l]: readonly [number, string]): number {
  return a - b || (k < l ? -1 : k > l ? 1 : 0);
}
