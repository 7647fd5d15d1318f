/** Query 11, user sessions: how often somebody bid without a pause of more than 10 seconds. */
import { count, job, session } from 'misa';
import { bids } from './model.ts';

export default job(
  'q11',
  bids
    .keyBy((bid) => bid.bidder)
    .window(session('10 s'))
    .aggregate({ bidCount: count() })
    .map(({ key, bidCount, windowStart, windowEnd }) => ({
      bidder: key,
      bidCount,
      startTime: windowStart,
      endTime: windowEnd,
    })),
);
