/** Query 18, find last bid: of each bidder on each auction. The last row of the two counts. */
import { job } from 'misa';
import { bids } from './model.ts';

export default job('q18', bids.keyBy((bid) => [bid.bidder, bid.auction]).latest(), { outputMode: 'update' });
