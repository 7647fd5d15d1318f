/** Query 2, selection: bids on every 123rd auction. */
import { job } from 'misa';
import { bids } from './model.ts';

export default job(
  'q2',
  bids.filter((bid) => bid.auction % 123 === 0).map(({ auction, price }) => ({ auction, price })),
);
