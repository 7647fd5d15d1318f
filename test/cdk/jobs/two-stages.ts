/** Counts by one key, then by another: two stages. */
import { count, job, source, tumbling } from 'misa';

interface Click {
  at: number;
  user: string;
  page: string;
}

const clicks = source<Click>('clicks', { eventTime: (c) => c.at, delay: '1 minute' });
const visits = clicks
  .keyBy((c) => [c.user, c.page])
  .window(tumbling('1 hour'))
  .aggregate({ clicks: count() });

export default job(
  'two.stages',
  {
    pages: visits
      .keyBy((v) => v.key[1])
      .window(tumbling('1 day'))
      .aggregate({ users: count() }),
  },
  { partitions: 2 },
);
