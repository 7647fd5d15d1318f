/**
 * Query 3, local item suggestion: who in Oregon, Idaho or California sells what in category 10. Both sides are kept for ever, so they have
 * only the fields that the answer needs.
 */
import { job } from 'misa';
import { auctions, people } from './model.ts';

const LOCAL = ['OR', 'ID', 'CA'];

export default job(
  'q3',
  auctions
    .filter((auction) => auction.category === 10)
    .map(({ id, seller }) => ({ id, seller }))
    .keyBy((auction) => auction.seller)
    .join(
      people
        .filter((person) => LOCAL.includes(person.state))
        .map(({ id, name, city, state }) => ({ id, name, city, state }))
        .keyBy((person) => person.id),
      { select: ({ id }, { name, city, state }) => ({ name, city, state, id }) },
    ),
);
