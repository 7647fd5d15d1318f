/**
 * Query 9, winning bids: the highest bid of each auction so far, the first of those. An auction's last row counts, as with the SQL. Who wants only
 * what is final takes `winning-bids.ts`.
 */
import { job } from 'misa';
import { auctions, bids, LONGEST_AUCTION } from './model.ts';

export default job(
  'q9',
  auctions
    .keyBy((auction) => auction.id)
    .join(
      bids.keyBy((bid) => bid.auction),
      {
        within: { before: 0, after: LONGEST_AUCTION },
        where: (auction, bid) => bid.dateTime <= auction.expires,
        select: (auction, { dateTime, extra, ...bid }) => ({
          ...auction,
          ...bid,
          bidDateTime: dateTime,
          bidExtra: extra,
        }),
      },
    )
    .keyBy(({ id }) => id)
    .topN(1, { by: ({ price, bidDateTime }) => [price, -bidDateTime] })
    .map(({ row }) => row),
  { outputMode: 'update' },
);
