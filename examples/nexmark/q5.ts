/** Query 5, hot items: the auctions with the most bids in the last 10 seconds, every 2 seconds. */
import { count, job, sameWindow, sliding } from 'misa';
import { allWithGreatest } from './greatest.ts';
import { bids } from './model.ts';

export default job(
  'q5',
  bids
    .keyBy((bid) => bid.auction)
    .window(sliding('10 s', '2 s'))
    .aggregate({ num: count() })
    .keyBy(() => null)
    .window(sameWindow())
    .aggregate({ hottest: allWithGreatest(({ num }) => num) })
    .flatMap(({ hottest }) => hottest.map(({ key, num, windowStart }) => ({ auction: key, num, windowStart }))),
);
