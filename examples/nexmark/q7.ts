/** Query 7, highest bid: of each 10 seconds; all of them, where several are equally high. */
import { job, tumbling } from 'misa';
import { allWithGreatest } from './greatest.ts';
import { bids } from './model.ts';

export default job(
  'q7',
  bids
    .map(({ auction, bidder, price, dateTime, extra }) => ({ auction, bidder, price, dateTime, extra }))
    .keyBy(() => null)
    .window(tumbling('10 s'))
    .aggregate({ highest: allWithGreatest((bid) => bid.price) })
    .flatMap(({ highest }) => highest),
);
