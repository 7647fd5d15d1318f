/** What the benchmark of the deployed job deploys: counts and sums by key, in windows. */
import { count, job, max, source, sum, tumbling } from 'misa';

interface Event {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

export default job(
  'deployed',
  source<Event>('events', { eventTime: (e) => e.t, delay: '10 s' })
    .keyBy((e) => e.k)
    .window(tumbling('1 min'))
    .aggregate({ n: count(), total: sum((e) => e.v), most: max((e) => e.v) }),
  { partitions: 4, noDataBatches: false },
);
