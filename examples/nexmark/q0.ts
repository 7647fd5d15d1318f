/** Query 0, pass through: every bid as it is, what reading and writing alone cost. */
import { job } from 'misa';
import { bids } from './model.ts';

export default job(
  'q0',
  bids.map(({ auction, bidder, price, dateTime, extra }) => ({ auction, bidder, price, dateTime, extra })),
);
