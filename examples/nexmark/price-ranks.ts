/** Bids by what they are worth, as queries 15 to 17 sort them, and how days and minutes are written there. */
import { type Aggregate, count } from 'misa';

interface Priced {
  readonly price: number;
}

export const isRank1 = ({ price }: Priced): boolean => price < 10_000;
export const isRank2 = ({ price }: Priced): boolean => price >= 10_000 && price < 1_000_000;
export const isRank3 = ({ price }: Priced): boolean => price >= 1_000_000;

/** How many bids, in all and by rank. */
export function bidsByRank<T extends Priced>(): {
  [Column in 'totalBids' | 'rank1Bids' | 'rank2Bids' | 'rank3Bids']: Aggregate<T, number>;
} {
  return {
    totalBids: count(),
    rank1Bids: count(isRank1),
    rank2Bids: count(isRank2),
    rank3Bids: count(isRank3),
  };
}

/** `2015-07-15`, UTC. */
export const dayOf = (dateTime: number): string => new Date(dateTime).toISOString().slice(0, 10);
/** `23:59`, UTC. */
export const minuteOf = (dateTime: number): string => new Date(dateTime).toISOString().slice(11, 16);
