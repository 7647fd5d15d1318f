/** Query 6, average selling price by seller: of the 10 auctions of theirs that ended last. A seller's last row counts. */
import { job, topN } from 'misa';
import { winningBids } from './winning-bids.ts';

export default job(
  'q6',
  winningBids
    .map(({ auction, bid }) => ({
      seller: auction.seller,
      ended: auction.expires,
      auction: auction.id,
      price: bid.price,
    }))
    .keyBy((sale) => sale.seller)
    .aggregate({ sales: topN(10, { by: (sale) => [sale.ended, sale.auction] }) })
    .map(({ key, sales }) => ({ seller: key, avgPrice: meanOf(sales.map((sale) => sale.price)) })),
  { outputMode: 'update' },
);

function meanOf(prices: readonly number[]): number {
  return Math.trunc(prices.reduce((sum, price) => sum + price, 0) / prices.length);
}
