/**
 * NEXMark's auction house as three sources: people who sign up, the auctions that they open, and bids. The watermark stays 4 seconds
 * behind, as in the published definition of the tables (`ddl_gen.sql`). Of each row only these fields are decoded.
 */
import { type RowOf, source } from 'misa';

export const people = source('person', {
  fields: {
    id: 'integer',
    name: 'string',
    emailAddress: 'string',
    creditCard: 'string',
    city: 'string',
    state: 'string',
    dateTime: 'timestamp',
    extra: 'string',
  },
  eventTime: (person) => person.dateTime,
  delay: '4 s',
});

export const auctions = source('auction', {
  fields: {
    id: 'integer',
    itemName: 'string',
    description: 'string',
    initialBid: 'integer',
    reserve: 'integer',
    dateTime: 'timestamp',
    expires: 'timestamp',
    seller: 'integer',
    category: 'integer',
    extra: 'string',
  },
  eventTime: (auction) => auction.dateTime,
  delay: '4 s',
});

export const bids = source('bid', {
  fields: {
    auction: 'integer',
    bidder: 'integer',
    price: 'integer',
    channel: 'string',
    url: 'string',
    dateTime: 'timestamp',
    extra: 'string',
  },
  eventTime: (bid) => bid.dateTime,
  delay: '4 s',
});

export type Person = RowOf<typeof people>;
export type Auction = RowOf<typeof auctions>;
export type Bid = RowOf<typeof bids>;

/** Longer than any auction of the generator at 100 events a second or more: bids on it come that soon, or not at all. */
export const LONGEST_AUCTION = '1 min';

/** A price in euros, rounded once: 0.908 itself has no exact double. */
export function euros(dollars: number): number {
  return (dollars * 908) / 1000;
}
