/** Query 1, currency conversion: bids in euros. */
import { job } from 'misa';
import { bids, euros } from './model.ts';

export default job(
  'q1',
  bids.map(({ auction, bidder, price, dateTime, extra }) => ({
    auction,
    bidder,
    price: euros(price),
    dateTime,
    extra,
  })),
);
