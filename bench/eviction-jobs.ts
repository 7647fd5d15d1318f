/** The jobs whose reads of state are recorded: by user, over the flights of 2013, and without duplicates. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { count, job, max, sliding, source, sum, tumbling } from '../lib/index.ts';
import { type Random, seededRandom } from '../lib/util/random.ts';
import type { Recording } from './eviction-record.ts';
import { zipf } from './policies-load.ts';

const FLIGHTS = 'examples/departures/data/flights-2013.ndjson.gz';

interface Flight {
  readonly event_time: number;
  readonly tailnum: string | null;
  readonly origin: string;
  readonly dest: string;
  readonly dep_delay: number;
}

interface Spending {
  readonly user: string;
  readonly amount: number;
}

interface Message {
  readonly time: number;
  readonly id: string;
}

export function recordings(quick: boolean): Recording[] {
  const scale = quick ? 10 : 4;
  const users = 1_000_000 / scale;
  return [
    spending(`sum by user, Zipf 0.99 of ${users.toLocaleString('en')}`, users, 5000 / scale, zipf(users, 0.99, 5)),
    spending('sum by user, uniform of a quarter of that', users / 4, 5000 / scale, (random) =>
      Math.floor((random.next() * users) / 4),
    ),
    flights(
      'flights by plane and route, tumbling 30 days',
      tumbling('30 days'),
      (f) => `${f.tailnum} ${f.origin} ${f.dest}`,
      'append',
    ),
    flights('flights by plane, sliding 28 days by 7', sliding('28 days', '7 days'), (f) => f.tailnum, 'append'),
    flights('the same, shown as they change', sliding('28 days', '7 days'), (f) => f.tailnum, 'update'),
    messages('messages without duplicates within an hour', 5000 / scale),
  ];
}

function spending(name: string, users: number, rows: number, draw: (random: Random) => number): Recording {
  const random = seededRandom(3);
  const events = source<Spending>('events', {});
  const amounts = {
    count: count<Spending>(),
    sum: sum((e: Spending) => e.amount),
    max: max((e: Spending) => e.amount),
  };
  const filling = Math.ceil(users / (10 * rows));
  function* batches(): Generator<Spending[]> {
    const row = (i: number): Spending => ({ user: `user-${String(i).padStart(9, '0')}`, amount: 10.5 });
    for (let first = 0; first < users; first += 10 * rows) {
      yield Array.from({ length: Math.min(10 * rows, users - first) }, (_, i) => row(first + i));
    }
    for (let n = 0; n < 200; n++) yield Array.from({ length: rows }, () => row(draw(random)));
  }
  const pipeline = events.keyBy((e) => e.user).aggregate(amounts);
  return { name, job: job('spending', pipeline, { outputMode: 'update' }), batches: batches(), filling };
}

function flights(
  name: string,
  windows: ReturnType<typeof tumbling>,
  key: (flight: Flight) => string | null,
  outputMode: 'append' | 'update',
): Recording {
  const planes = source<Flight>('flights', { eventTime: (f) => f.event_time, delay: '3 hours' });
  const delays = { count: count<Flight>(), worst: max((f: Flight) => f.dep_delay) };
  const pipeline = planes
    .keyBy((f) => key(f))
    .window(windows)
    .aggregate(delays);
  function* batches(): Generator<Flight[]> {
    const lines = gunzipSync(readFileSync(FLIGHTS)).toString().trimEnd().split('\n');
    for (let i = 0; i < lines.length; i += 100) yield lines.slice(i, i + 100).map((line) => JSON.parse(line) as Flight);
  }
  return { name, job: job('flights', pipeline, { outputMode }), batches: batches() };
}

/** One in five comes again, mostly soon. */
function messages(name: string, rows: number): Recording {
  const random = seededRandom(4);
  const stream = source<Message>('messages', { eventTime: (m) => m.time, delay: '1 minute' });
  const pipeline = stream.keyBy((m) => m.id).distinct({ within: '1 hour' });
  function* batches(): Generator<Message[]> {
    let made = 0;
    for (let n = 0; n < 200; n++) {
      yield Array.from({ length: rows }, (_, i) => {
        const lag = Math.floor(-Math.log(1 - random.next()) * 10 * rows);
        const again = random.next() < 0.2 && lag < made;
        const id = again ? made - 1 - lag : made++;
        return { time: n * 60_000 + (i * 60_000) / rows, id: `${((id * 0x9e3779b1) >>> 0).toString(16)}-${id}` };
      });
    }
  }
  return { name, job: job('messages', pipeline, { outputMode: 'append' }), batches: batches() };
}
