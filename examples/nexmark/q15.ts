/**
 * Query 15, bidding statistics report: bids, bidders and auctions of each day, in all and by price; a day's row when the day is over. Exact, and spread over all
 * partitions: bids are counted by bidder and by auction first, then those counts are added up.
 */
import { count, job, sameWindow, sum, tumbling } from 'misa';
import { bids } from './model.ts';
import { bidsByRank, dayOf } from './price-ranks.ts';

const BIDDER = 'bidder';
const AUCTION = 'auction';

const daily = bids
  .flatMap(({ bidder, auction, price }) => [
    { of: BIDDER, id: bidder, price },
    { of: AUCTION, id: auction, price },
  ])
  .keyBy(({ of, id }) => [of, id])
  .window(tumbling('1 day'))
  .aggregate(bidsByRank())
  .map(({ key, ...counts }) => ({ ...counts, of: key[0] }))
  .keyBy(() => null)
  .window(sameWindow())
  .aggregate({
    totalBids: sum((one) => (one.of === BIDDER ? one.totalBids : 0)),
    rank1Bids: sum((one) => (one.of === BIDDER ? one.rank1Bids : 0)),
    rank2Bids: sum((one) => (one.of === BIDDER ? one.rank2Bids : 0)),
    rank3Bids: sum((one) => (one.of === BIDDER ? one.rank3Bids : 0)),
    totalBidders: count((one) => one.of === BIDDER),
    rank1Bidders: count((one) => one.of === BIDDER && one.rank1Bids > 0),
    rank2Bidders: count((one) => one.of === BIDDER && one.rank2Bids > 0),
    rank3Bidders: count((one) => one.of === BIDDER && one.rank3Bids > 0),
    totalAuctions: count((one) => one.of === AUCTION),
    rank1Auctions: count((one) => one.of === AUCTION && one.rank1Bids > 0),
    rank2Auctions: count((one) => one.of === AUCTION && one.rank2Bids > 0),
    rank3Auctions: count((one) => one.of === AUCTION && one.rank3Bids > 0),
  });

export default job(
  'q15',
  daily.map(({ key: _, windowStart, windowEnd: __, ...report }) => ({ day: dayOf(windowStart), ...report })),
);
