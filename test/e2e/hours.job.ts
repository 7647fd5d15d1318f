/**
 * Departures by carrier and hour, and by flight and month: what the end-to-end test deploys. Nothing is late, so that results
 * do not depend on what came in one batch; little memory, and flights that go every day, so that state is read from disk.
 */
import { avg, count, job, max, source, tumbling } from 'misa';

interface Flight {
  readonly event_time: number;
  readonly carrier: string;
  readonly flight: number;
  readonly origin: string;
  readonly dep_delay: number;
}

const flights = source<Flight>('flights', { eventTime: (f) => f.event_time, delay: '30 days' });

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
  },
  { outputMode: 'append', partitions: 2, trigger: { maxRows: 1000 }, state: { cacheBytes: 50_000 } },
);
