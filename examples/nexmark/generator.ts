/**
 * NEXMark's events, by the published configuration (`published.ts`): one after the other, in order of time, never all at once. Which people, auctions and
 * bids there are depends on the seed, the rate and the start alone; texts and prices are of this generator's own dice.
 */
import { Dice } from './dice.ts';
import type { Auction, Bid, Person } from './model.ts';
import * as nexmark from './published.ts';

export type NexmarkEvent =
  | { readonly source: 'person'; readonly row: Person }
  | { readonly source: 'auction'; readonly row: Auction }
  | { readonly source: 'bid'; readonly row: Bid };

export interface NexmarkOptions {
  readonly events: number;
  /** Default 1. */
  readonly seed?: number | undefined;
  /** Events a second of event time. Default 10,000. */
  readonly rate?: number | undefined;
  /** Time of the first event, epoch ms. Default: 15 July 2015, 0:00 UTC. */
  readonly start?: number | undefined;
}

export function* nexmarkEvents(options: NexmarkOptions): Generator<NexmarkEvent> {
  const { events, seed = 1, rate = nexmark.RATE, start = nexmark.START } = options;
  const timeOf = (n: number): number => start + Math.floor((n * 1000) / rate);
  for (let n = 0; n < events; n++) {
    const dice = new Dice(seed, n);
    const place = n % nexmark.GROUP;
    const dateTime = timeOf(n);
    if (place < nexmark.PEOPLE) yield { source: 'person', row: personOf(n, dateTime, dice) };
    else if (place < nexmark.PEOPLE + nexmark.AUCTIONS) {
      // As long on average as it takes to open so many auctions as are in flight.
      const horizon = timeOf(n + Math.floor((nexmark.IN_FLIGHT * nexmark.GROUP) / nexmark.AUCTIONS)) - dateTime;
      yield { source: 'auction', row: auctionOf(n, dateTime, horizon, dice) };
    } else yield { source: 'bid', row: bidOf(n, dateTime, seed, dice) };
  }
}

function personOf(n: number, dateTime: number, dice: Dice): Person {
  const person = {
    id: nexmark.FIRST_PERSON + lastPerson(n),
    name: `${dice.of(nexmark.FIRST_NAMES)} ${dice.of(nexmark.LAST_NAMES)}`,
    emailAddress: `${dice.text(7)}@${dice.text(5)}.com`,
    creditCard: Array.from({ length: 4 }, () => String(dice.below(10_000)).padStart(4, '0')).join(' '),
    city: dice.of(nexmark.CITIES),
    state: dice.of(nexmark.STATES),
    dateTime,
  };
  const { name, emailAddress, creditCard, city, state } = person;
  const size = 8 + name.length + emailAddress.length + creditCard.length + city.length + state.length;
  return { ...person, extra: dice.filling(size, nexmark.PERSON_BYTES) };
}

function auctionOf(n: number, dateTime: number, horizon: number, dice: Dice): Auction {
  const itemName = dice.text(20);
  const description = dice.text(100);
  const initialBid = priceOf(dice);
  const isHot = dice.below(nexmark.HOT_SELLERS) > 0;
  return {
    id: nexmark.FIRST_AUCTION + lastAuction(n),
    itemName,
    description,
    initialBid,
    reserve: initialBid + priceOf(dice),
    dateTime,
    expires: dateTime + 1 + dice.below(Math.max(2 * horizon, 1)),
    seller: nexmark.FIRST_PERSON + (isHot ? hotOf(lastPerson(n)) : anyPerson(n, dice)),
    category: nexmark.FIRST_CATEGORY + dice.below(nexmark.CATEGORIES),
    extra: dice.filling(48 + itemName.length + description.length, nexmark.AUCTION_BYTES),
  };
}

function bidOf(n: number, dateTime: number, seed: number, dice: Dice): Bid {
  const onHot = dice.below(nexmark.HOT_AUCTIONS) > 0;
  const byHot = dice.below(nexmark.HOT_BIDDERS) > 0;
  return {
    auction: nexmark.FIRST_AUCTION + (onHot ? hotOf(lastAuction(n)) : anyAuction(n, dice)),
    // The second of a hundred, since the first is the hot seller.
    bidder: nexmark.FIRST_PERSON + (byHot ? hotOf(lastPerson(n)) + 1 : anyPerson(n, dice)),
    price: priceOf(dice),
    ...channelOf(seed, dice),
    dateTime,
    extra: dice.filling(32, nexmark.BID_BYTES),
  };
}

/** From 1 to 1,000,000 dollars in cents, as many of each number of digits. */
function priceOf(dice: Dice): number {
  return Math.round(10 ** (dice.next() * 6) * 100);
}

function channelOf(seed: number, dice: Dice): { channel: string; url: string } {
  const hot = dice.below(nexmark.HOT_CHANNEL_RATIO) > 0;
  const number = dice.below(hot ? nexmark.HOT_CHANNELS.length : nexmark.CHANNELS);
  // A channel's URL is always the same: it is of dice of the channel's own, numbered below all events.
  const own = new Dice(seed, -2 - number - (hot ? nexmark.CHANNELS : 0));
  const url = `https://www.nexmark.com/${own.text(5, '_')}/${own.text(5, '_')}/${own.text(5, '_')}/item.htm?query=1`;
  if (hot) return { channel: nexmark.HOT_CHANNELS[number]!, url };
  return { channel: `channel-${number}`, url: own.below(10) > 0 ? `${url}&channel_id=${own.below(2 ** 31)}` : url };
}

/** Number of the last person before event n, or in it, from 0. */
function lastPerson(n: number): number {
  return Math.floor(n / nexmark.GROUP) * nexmark.PEOPLE + Math.min(n % nexmark.GROUP, nexmark.PEOPLE - 1);
}

/** Number of the last auction before event n, or in it, from 0; of a bid or an auction. */
function lastAuction(n: number): number {
  const place = (n % nexmark.GROUP) - nexmark.PEOPLE;
  return Math.floor(n / nexmark.GROUP) * nexmark.AUCTIONS + Math.min(place, nexmark.AUCTIONS - 1);
}

function hotOf(last: number): number {
  return last - (last % nexmark.HOT_IN);
}

/** One of those that are active; or one that is not there yet, which makes it look as if the two had changed places in time. */
function anyPerson(n: number, dice: Dice): number {
  const people = lastPerson(n) + 1;
  const active = Math.min(people, nexmark.ACTIVE_PEOPLE);
  return people - active + dice.below(active + nexmark.LEAD);
}

function anyAuction(n: number, dice: Dice): number {
  const last = lastAuction(n);
  const first = Math.max(last - nexmark.IN_FLIGHT, 0);
  return first + dice.below(last - first + 1 + nexmark.LEAD);
}
