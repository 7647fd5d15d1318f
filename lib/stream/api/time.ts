/**
 * Event times as rows carry them. What is not a time makes its row a bad row with a reason, never a `NaN` that would silently
 * fall into no window.
 */
import { epochMs } from '../../util/epoch-ms.ts';
import { BadRowError } from '../graph/operator.ts';

/**
 * A point in event time: epoch ms (or in the source's `eventTimeUnit`), `Date`, or ISO 8601 text (UTC where no zone is written).
 * A row for which it is missing or not a time is bad input: quarantined, or the job fails (`onBadRow`).
 */
export type EventTime = number | Date | string;

/** Unit of event times that are numbers: seconds, milliseconds, microseconds or nanoseconds since 1970. */
export type EventTimeUnit = 's' | 'ms' | 'us' | 'ns';

/**
 * Epoch ms of an event time, see {@link epochMs}.
 * @throws {BadRowError} missing, or not a time
 */
export function toEpochMs(value: unknown, unit?: EventTimeUnit | undefined): number {
  const time = epochMs(value, unit);
  if (typeof time === 'number') return time;
  throw new BadRowError(`event time ${time}`);
}

/** What turns event times of a source into epoch ms, as {@link toEpochMs} does; numbers are in this unit. */
export function epochMsIn(unit: EventTimeUnit | undefined): (value: unknown) => number {
  return (value) => toEpochMs(value, unit);
}
