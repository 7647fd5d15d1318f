/**
 * A year of departures from New York's airports, hour by hour and carrier by carrier: how many flights left, how many of
 * them late, the mean and the worst delay. Flights come in the order in which they took off, so one that waited long at the
 * gate arrives after its scheduled hour: within three hours it still counts there, later it goes to the output `late`.
 */
import { avg, count, job, max, source, tumbling } from 'misa';

const flights = source('flights', {
  fields: {
    // Scheduled departure.
    event_time: 'timestamp',
    carrier: 'string',
    flight: 'integer',
    origin: 'string',
    dest: 'string',
    // Minutes after (or, negative, before) the schedule.
    dep_delay: 'number',
  },
  eventTime: (f) => f.event_time,
  delay: '3 hours',
});

const hours = flights.keyBy((f) => f.carrier).window(tumbling('1 hour'));

export default job(
  'departures',
  {
    hourly: hours.aggregate({
      departures: count(),
      delayed: count((f) => f.dep_delay > 15),
      meanDelay: avg((f) => f.dep_delay),
      worst: max((f) => f.dep_delay),
    }),
    late: hours.late(),
  },
  { outputMode: 'append', partitions: 4 },
);
