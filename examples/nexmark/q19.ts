/** Query 19, auction top 10 price: the ten highest bids of each auction; of two as high the earlier is first. The last row of an auction and rank counts. */
import { job } from 'misa';
import { bids } from './model.ts';

export default job(
  'q19',
  bids
    .keyBy((bid) => bid.auction)
    .topN(10, { by: (bid) => [bid.price, -bid.dateTime] })
    .map(({ rank, row }) => ({ ...row, rank })),
  { outputMode: 'update' },
);
