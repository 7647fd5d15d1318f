/**
 * The winning bid of each auction, once, when the auction is over: the core of queries 4 and 6. Bids may come before their auction does;
 * those that are older than all auctions still to come wait no longer. So the state is that of open auctions, and nothing more.
 */
import type { Stream } from 'misa';
import { type Auction, auctions, type Bid, bids } from './model.ts';

export interface WinningBid {
  readonly auction: Auction;
  readonly bid: Bid;
}

interface OpenAuction {
  auction: Auction | null;
  best: Bid | null;
  /** Before the auction is there. */
  waiting: Bid[];
}

export const winningBids: Stream<WinningBid> = bids
  .union(auctions)
  .keyBy((row) => (isAuction(row) ? row.id : row.auction))
  .process<OpenAuction, WinningBid>({
    init: () => ({ auction: null, best: null, waiting: [] }),
    onRow(row, { state, timers }) {
      if (isAuction(row)) {
        state.auction = row;
        for (const bid of state.waiting) consider(bid, state);
        state.waiting = [];
        timers.set(row.expires);
      } else if (state.auction === null) {
        state.waiting.push(row);
        timers.set(row.dateTime);
      } else consider(row, state);
    },
    onTimer(time, ctx) {
      const { auction, best, waiting } = ctx.state;
      if (auction === null) ctx.state.waiting = waiting.filter((bid) => bid.dateTime > time);
      else if (time < auction.expires) return;
      else if (best !== null) ctx.emit({ auction, bid: best });
      if (auction !== null || ctx.state.waiting.length === 0) ctx.clear();
    },
  });

function isAuction(row: Auction | Bid): row is Auction {
  return 'seller' in row;
}

/** The highest bid wins, the first of those; bids before and after the auction do not count. */
function consider(bid: Bid, state: OpenAuction): void {
  const { auction, best } = state;
  if (auction === null || bid.dateTime < auction.dateTime || bid.dateTime > auction.expires) return;
  const isBetter =
    best === null || bid.price > best.price || (bid.price === best.price && bid.dateTime < best.dateTime);
  if (isBetter) state.best = bid;
}
