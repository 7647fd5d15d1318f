/**
 * What the end-to-end test deploys: departures by carrier and hour, and by flight and month; planes' days, their next flights, and timers.
 * Nothing is late, so that results do not depend on what came in one batch; little memory, and flights that go every day, so that state is
 * read from disk.
 */
import { avg, count, job, max, session, source, tumbling } from 'misa';

interface Flight {
  readonly event_time: number;
  readonly carrier: string;
  readonly flight: number;
  readonly tailnum: string | null;
  readonly origin: string;
  readonly dep_delay: number;
}

const HOUR_MS = 3_600_000;

const flights = source<Flight>('flights', { eventTime: (f) => f.event_time, delay: '30 days' });
const byPlane = flights.filter((f) => f.tailnum !== null).keyBy((f) => f.tailnum!);

export default job(
  'hours',
  {
    hourly: flights
      .keyBy((f) => [f.carrier, f.origin])
      .window(tumbling('1 hour'))
      .aggregate({ departures: count(), worst: max((f) => f.dep_delay), meanDelay: avg((f) => f.dep_delay) }),
    monthly: flights
      .keyBy((f) => [f.carrier, f.flight])
      .window(tumbling('30 days'))
      .aggregate({ departures: count(), worst: max((f) => f.dep_delay) }),
    days: byPlane
      .window(session('6 hours'))
      .aggregate({ flights: count() })
      .filter((day) => day.flights > 2),
    next: byPlane.join(byPlane, {
      type: 'left',
      where: (f, next) => f.event_time < next.event_time && f.dep_delay >= 60,
      whereLeft: (f) => f.dep_delay >= 60,
      within: { before: 0, after: '10 hours' },
      select: (f, next) => ({ plane: f.tailnum, late: f.dep_delay, next: next?.dep_delay ?? null }),
    }),
    checks: flights
      .keyBy((f) => [f.carrier, f.origin])
      .process<null, { readonly carrier: string; readonly at: number }>({
        init: () => null,
        onRow: ({ event_time }, { timers }) => timers.set(event_time - (event_time % HOUR_MS) + HOUR_MS),
        onTimer: (at, { key: [carrier], emit }) => emit({ carrier, at }),
      }),
  },
  { outputMode: 'append', partitions: 2, trigger: { maxRows: 1000 }, state: { cacheBytes: 50_000 } },
);
