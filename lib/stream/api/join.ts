/** Joins as users write them: of two streams, and with a table. What one call can see is refused here. */
import { JobError } from '../../errors.ts';
import { type Duration, signedMs } from '../../util/duration.ts';
import { hasEventTime, type KeyNode, watermarksOf } from '../graph/graph.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { UserFunction } from '../graph/user-function.ts';
import type { FixedWindowSpec } from '../graph/window-spec.ts';
import { streamJoin } from '../operators/join.ts';
import { isBounded, isPreserved, type JoinSpec, LEFT, type Near, PORTS } from '../operators/join-spec.ts';
import { tableJoin } from '../operators/table-join.ts';
import { type FixedWindow, windowSpec } from './window.ts';

/** Which rows without a match come out, too. `leftSemi`: left rows that have one, each once. */
export type JoinType = 'inner' | 'left' | 'right' | 'full' | 'leftSemi';

/**
 * Right rows' times, relative to the left row's: left time − `before` ≤ right time ≤ left time + `after`. Either may be
 * negative, or `Infinity` for no bound (that side's state then grows). One duration stands for both.
 */
export type Within = Duration | { readonly before: Duration; readonly after: Duration };

/** What is known of a joined pair beside its rows; `windowStart` and `windowEnd` in a `window` join only. */
export type JoinAt<K, W> = W extends FixedWindow
  ? { readonly key: K; readonly windowStart: number; readonly windowEnd: number }
  : { readonly key: K };

/** Arguments of `select`: the missing side of an outer row is `null` (in a full join never both; `at.key` is always there). */
export type SelectArgs<J extends JoinType, L, R, At> = {
  inner: [left: L, right: R, at: At];
  left: [left: L, right: R | null, at: At];
  right: [left: L | null, right: R, at: At];
  full: [left: L | null, right: R | null, at: At];
  leftSemi: [left: L, at: At];
}[J];

/** Options of `join`, beside `select`. Without `within` and `window` rows are kept for ever (or `state.ttl`). */
export interface JoinOptions<K, L, R, J extends JoinType, W extends FixedWindow | undefined> {
  /** Default `inner`. */
  readonly type?: J | undefined;
  /** Time range; both sides need event time. Not together with `window`. */
  readonly within?: Within | undefined;
  /** Both rows in the same window. Sliding: one result for each window they share. Not together with `within`. */
  readonly window?: W | undefined;
  /** Further condition on a pair. */
  readonly where?: ((left: L, right: R, at: { readonly key: K }) => boolean) | undefined;
  /** Condition on left rows alone, known on arrival: rows that fail take no state and, in a left or full join, come out at once. */
  readonly whereLeft?: ((left: L) => boolean) | undefined;
  /** The same for right rows; right and full joins. */
  readonly whereRight?: ((right: R) => boolean) | undefined;
  /**
   * Event time of the result: of the left row, the right row, or the later of both (default; the present one's for outer
   * rows). The stream's watermark is held back as far as such rows can still come; where they can be of any age (neither `within` nor `window`) it
   * has none. In a `window` join: `windowEnd − 1`. In a `leftSemi` join: that of the left row.
   */
  readonly eventTime?: 'left' | 'right' | 'later' | undefined;
}

const TYPES: readonly JoinType[] = ['inner', 'left', 'right', 'full', 'leftSemi'];
const CONDITIONS = ['where', 'whereLeft', 'whereRight'] as const;

type Options = Readonly<Record<string, unknown>>;

/** @throws {JobError} `BAD_JOIN`, `BAD_DURATION`, `NO_EVENT_TIME`, `JOIN_NEEDS_WATERMARK` */
export function streamJoinOf(given: unknown, left: KeyNode, right: KeyNode): OperatorDefinition {
  const options = checked(given, 'join()', ['type', 'within', 'window', ...CONDITIONS, 'eventTime', 'select']);
  const type = oneOf('type', options.type ?? 'inner', TYPES);
  const near = nearOf(options);
  const streams = [left.input, right.input] as const;
  const timed = streams.map(hasEventTime);
  if (near.kind !== 'all' && timed.includes(false)) {
    const which = timed[0] ? 'right' : 'left';
    throw new JobError(
      'NO_EVENT_TIME',
      `join({ ${near.kind} }) of streams without event time: give the source of the ${which} one an eventTime, or call withEventTime() before keyBy()`,
    );
  }
  const [where, whereLeft, whereRight] = CONDITIONS.map((name) => functionOf(name, options[name]));
  const spec: JoinSpec = {
    type,
    near,
    eventTime: eventTimeOf(options, type),
    where,
    whereOwn: [whereLeft, whereRight],
    select: functionOf('select', options.select) ?? selectsLeft(type),
    followed: [watermarksOf(left.input).size > 0, watermarksOf(right.input).size > 0],
  };
  for (const port of PORTS) if (isPreserved(spec, port) && !isBounded(spec, port)) throw needsWatermark(spec, port);
  return streamJoin(spec, timeOfResults(spec, timed));
}

/** @throws {JobError} `BAD_JOIN` */
export function tableJoinOf(given: unknown, left: KeyNode): OperatorDefinition {
  const options = checked(given, 'join() with a table()', ['type', 'select']);
  const type = oneOf('type', options.type ?? 'inner', ['inner', 'left']);
  const select = functionOf('select', options.select) ?? selectsLeft(type);
  return tableJoin({ type, select: select! }, hasEventTime(left.input) ? 'kept' : 'none');
}

function checked(given: unknown, what: string, names: readonly string[]): Options {
  if (typeof given !== 'object' || given === null) {
    throw bad(
      `${what} takes options behind what it joins, such as { select: (left, right) => ({ ...left, ...right }) }`,
    );
  }
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw bad(`${what} has no option '${name}'; there are ${names.join(', ')}`);
  }
  return given as Options;
}

function nearOf({ within, window }: Options): Near {
  if (within !== undefined && window !== undefined) {
    throw bad('within and window are two ways to say which rows are near each other: give one of them');
  }
  if (window !== undefined) {
    const spec = windowSpec(window as FixedWindow);
    if (spec.kind === 'tumbling' || spec.kind === 'sliding') return { kind: 'window', window: spec as FixedWindowSpec };
    throw new JobError('BAD_WINDOW', 'join: window takes tumbling() or sliding(): windows that do not depend on rows');
  }
  if (within === undefined) return { kind: 'all' };
  const { before, after } = bounds(within);
  const [beforeMs, afterMs] = [boundMs(before, 'before'), boundMs(after, 'after')];
  if (beforeMs + afterMs < 0) {
    throw bad(
      'within: before + after is negative, so that no right row is in the range, from left time − before to left time + after',
    );
  }
  return { kind: 'within', beforeMs, afterMs };
}

function bounds(within: unknown): { readonly before?: unknown; readonly after?: unknown } {
  return typeof within === 'object' && within !== null ? within : { before: within, after: within };
}

function boundMs(value: unknown, name: string): number {
  if (value === Infinity) return Infinity;
  if (typeof value === 'string' || typeof value === 'number') return signedMs(value as Duration, `within: ${name}`);
  throw bad(`within takes a duration, or { before, after }; ${name} is ${value === undefined ? 'missing' : 'none'}`);
}

/** A left row that comes out by itself has its own time. */
function eventTimeOf({ eventTime }: Options, type: JoinType): JoinSpec['eventTime'] {
  if (type !== 'leftSemi') return oneOf('eventTime', eventTime ?? 'later', ['left', 'right', 'later']);
  return oneOf('eventTime of leftSemi', eventTime ?? 'left', ['left']);
}

/** @returns `undefined`: left rows come out as they are */
function selectsLeft(type: JoinType): undefined {
  if (type === 'leftSemi') return undefined;
  throw bad('join() needs select: (left, right) => …, which makes a result of two rows');
}

/** Whether results have event time, and whose it may be. */
function timeOfResults(
  { near, eventTime }: JoinSpec,
  [left, right]: readonly boolean[],
): OperatorDefinition['eventTime'] {
  if (near.kind === 'window') return 'own';
  const has = eventTime === 'left' ? left : eventTime === 'right' ? right : left || right;
  return has ? 'kept' : 'none';
}

function needsWatermark({ type, near }: JoinSpec, port: number): JobError {
  const [side, awaited, bound] = port === LEFT ? ['left', 'right', 'after'] : ['right', 'left', 'before'];
  const how =
    near.kind === 'all'
      ? "give within or window, or join with type: 'inner'"
      : near.kind === 'within' && (port === LEFT ? near.afterMs : near.beforeMs) === Infinity
        ? `give within a finite ${bound}`
        : `give the source of the ${awaited} rows a delay`;
  return new JobError(
    'JOIN_NEEDS_WATERMARK',
    `a ${type} join gives ${side} rows without a match once no match can come, and in this one that is never known: ${how}`,
  );
}

function functionOf(name: string, value: unknown): UserFunction | undefined {
  if (value !== undefined && typeof value !== 'function') throw bad(`${name} must be a function`);
  return value as UserFunction | undefined;
}

function oneOf<V extends string>(name: string, value: unknown, values: readonly V[]): V {
  if (values.includes(value as V)) return value as V;
  throw bad(`${name} must be one of ${values.join(', ')}, not ${JSON.stringify(value)}`);
}

function bad(message: string): JobError {
  return new JobError('BAD_JOIN', message);
}
