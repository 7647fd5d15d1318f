/**
 * The published configuration of NEXMark's generator: Apache Beam's `sdks/java/testing/nexmark` (`NexmarkConfiguration`, `GeneratorConfig`
 * and the generators of people, auctions, bids and prices), as https://github.com/nexmark/nexmark took it over at 6b3646c, which added channels and URLs (`BidGenerator`).
 * Sizes are bytes, ratios `n` mean n − 1 of n.
 */

/** Events come in groups of 50: 1 person, then 3 auctions, then 46 bids. */
export const PEOPLE = 1;
export const AUCTIONS = 3;
export const BIDS = 46;
export const GROUP = PEOPLE + AUCTIONS + BIDS;

/** Ids begin so high that queries find matches in few events, too. */
export const FIRST_PERSON = 1000;
export const FIRST_AUCTION = 1000;
export const FIRST_CATEGORY = 10;
export const CATEGORIES = 5;

/** Auctions in flight on average; the people that bid and sell; how far ids may run ahead of those that are there. */
export const IN_FLIGHT = 100;
export const ACTIVE_PEOPLE = 1000;
export const LEAD = 10;

/** How many auctions are by the hot seller, bids on the hot auction, and bids by the hot bidder; there is one in each hundred. */
export const HOT_SELLERS = 4;
export const HOT_AUCTIONS = 2;
export const HOT_BIDDERS = 4;
export const HOT_IN = 100;

/** Half of the bids come over one of the hot channels; nine of ten other channels stand in their URLs. */
export const HOT_CHANNELS = ['Google', 'Facebook', 'Baidu', 'Apple'];
export const HOT_CHANNEL_RATIO = 2;
export const CHANNELS = 10_000;

export const PERSON_BYTES = 200;
export const AUCTION_BYTES = 500;
export const BID_BYTES = 100;

/** Events a second; the first event's time. */
export const RATE = 10_000;
export const START = Date.UTC(2015, 6, 15);

export const STATES = 'AZ CA ID OR WA WY'.split(' ');
export const CITIES = [
  ...['Phoenix', 'Los Angeles', 'San Francisco', 'Boise', 'Portland'],
  ...['Bend', 'Redmond', 'Seattle', 'Kent', 'Cheyenne'],
];
export const FIRST_NAMES = 'Peter Paul Luke John Saul Vicky Kate Julie Sarah Deiter Walter'.split(' ');
export const LAST_NAMES = 'Shultz Abrams Spencer White Bartels Walton Smith Jones Noris'.split(' ');
