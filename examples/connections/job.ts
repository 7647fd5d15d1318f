/**
 * What became of planes that landed late: every flight from New York that landed an hour late or more, with the flights on which the same plane left New York again
 * within ten hours; the planes that left New York often between two rests; and bursts of departures, one right after the other. Over the year of flights of
 * `examples/departures`.
 */
import { collect, count, job, session, source, sum } from 'misa';

const flights = source('flights', {
  fields: {
    // Scheduled departure; and the actual one, in whose order the rows are.
    event_time: 'timestamp',
    arrival_time: 'timestamp',
    carrier: 'string',
    flight: 'integer',
    tailnum: 'string',
    origin: 'string',
    dest: 'string',
    // Minutes late; of a flight that landed elsewhere the second is null.
    dep_delay: 'number',
    arr_delay: 'number?',
    distance: 'number',
  },
  eventTime: (f) => f.arrival_time,
  delay: '1 min',
});

const byPlane = flights.keyBy((f) => f.tailnum);
const landedLate = flights.filter((f) => f.arr_delay !== null && f.arr_delay >= 60).keyBy((f) => f.tailnum);

/** A flight that landed late, with each later one of its plane; alone where there is none in ten hours. */
const carriedOn = landedLate.join(byPlane, {
  type: 'left',
  within: { before: '-1 min', after: '10 hours' },
  select: (late, next) => ({
    tailnum: late.tailnum,
    flight: `${late.carrier}${late.flight}`,
    left: late.arrival_time,
    landedLate: late.arr_delay,
    next: next === null ? null : `${next.carrier}${next.flight}`,
    nextLeft: next?.arrival_time ?? null,
    nextLate: next?.dep_delay ?? null,
  }),
});

/** Planes that left four times or more without a rest of six hours. */
const shuttles = byPlane
  .window(session('6 hours'))
  .aggregate({ flights: count(), miles: sum((f) => f.distance), to: collect((f) => f.dest) })
  .filter((day) => day.flights >= 4);

/** Eight departures or more of one carrier from one airport, each at most four minutes after the one before. */
const bursts = flights
  .keyBy((f) => [f.origin, f.carrier])
  .window(session('4 min'))
  .aggregate({ planes: count() })
  .filter((burst) => burst.planes >= 8);

export default job('connections', { carriedOn, shuttles, bursts }, { partitions: 4 });
