/**
 * Query 16, channel statistics report: bids, bidders and auctions of each channel and day, in all and by price, as the day goes on. The last row of a channel and
 * day counts. More than 2,047 different bidders or auctions are counted within about 1 %.
 */
import { countDistinct, job, max, tumbling } from 'misa';
import { bids } from './model.ts';
import { bidsByRank, dayOf, isRank1, isRank2, isRank3, minuteOf } from './price-ranks.ts';

export default job(
  'q16',
  bids
    .keyBy((bid) => bid.channel)
    .window(tumbling('1 day'))
    .aggregate({
      latest: max((bid) => bid.dateTime),
      ...bidsByRank(),
      totalBidders: countDistinct((bid) => bid.bidder),
      rank1Bidders: countDistinct((bid) => (isRank1(bid) ? bid.bidder : undefined)),
      rank2Bidders: countDistinct((bid) => (isRank2(bid) ? bid.bidder : undefined)),
      rank3Bidders: countDistinct((bid) => (isRank3(bid) ? bid.bidder : undefined)),
      totalAuctions: countDistinct((bid) => bid.auction),
      rank1Auctions: countDistinct((bid) => (isRank1(bid) ? bid.auction : undefined)),
      rank2Auctions: countDistinct((bid) => (isRank2(bid) ? bid.auction : undefined)),
      rank3Auctions: countDistinct((bid) => (isRank3(bid) ? bid.auction : undefined)),
    })
    .map(({ key, windowStart, windowEnd: _, latest, ...report }) => ({
      channel: key,
      day: dayOf(windowStart),
      minute: minuteOf(latest),
      ...report,
    })),
  { outputMode: 'update' },
);
