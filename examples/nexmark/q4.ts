/** Query 4, average price for a category: of the winning bids of auctions that are over. A category's last row counts. */
import { avg, job } from 'misa';
import { winningBids } from './winning-bids.ts';

export default job(
  'q4',
  winningBids
    .keyBy(({ auction }) => auction.category)
    .aggregate({ final: avg(({ bid }) => bid.price) })
    .map(({ key, final }) => ({ category: key, final: Math.trunc(final) })),
  { outputMode: 'update' },
);
