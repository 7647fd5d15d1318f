/** Query 17, auction statistics report: bids and prices of each auction and day, as the day goes on. The last row of an auction and day counts. */
import { job, max, min, sum, tumbling } from 'misa';
import { bids } from './model.ts';
import { bidsByRank, dayOf } from './price-ranks.ts';

export default job(
  'q17',
  bids
    .keyBy((bid) => bid.auction)
    .window(tumbling('1 day'))
    .aggregate({
      ...bidsByRank(),
      minPrice: min((bid) => bid.price),
      maxPrice: max((bid) => bid.price),
      sumPrice: sum((bid) => bid.price),
    })
    .map(({ key, windowStart, windowEnd: _, ...report }) => ({
      auction: key,
      day: dayOf(windowStart),
      ...report,
      avgPrice: Math.trunc(report.sumPrice / report.totalBids),
    })),
  { outputMode: 'update' },
);
