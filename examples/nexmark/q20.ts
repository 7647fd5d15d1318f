/** Query 20, expand bid with auction: bids with all of their auction, in category 10. Both sides are kept for ever. */
import { job } from 'misa';
import { auctions, bids } from './model.ts';

export default job(
  'q20',
  bids
    .keyBy((bid) => bid.auction)
    .join(
      auctions.filter((auction) => auction.category === 10).keyBy((auction) => auction.id),
      {
        select: (
          { dateTime, extra, ...bid },
          { id: _, dateTime: auctionDateTime, extra: auctionExtra, ...auction },
        ) => ({
          ...bid,
          bidDateTime: dateTime,
          bidExtra: extra,
          ...auction,
          auctionDateTime,
          auctionExtra,
        }),
      },
    ),
);
