/** Query 22, get URL directories: the three parts of each bid's path. */
import { job } from 'misa';
import { bids } from './model.ts';

export default job(
  'q22',
  bids.map(({ auction, bidder, price, channel, url }) => {
    const [, , , dir1, dir2, dir3] = url.split('/');
    return { auction, bidder, price, channel, dir1, dir2, dir3 };
  }),
);
