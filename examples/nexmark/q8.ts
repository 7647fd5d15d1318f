/** Query 8, monitor new users: people who signed up and opened an auction in the same 10 seconds. */
import { job, tumbling } from 'misa';
import { auctions, people } from './model.ts';

const WINDOW_MS = 10_000;

export default job(
  'q8',
  people
    .map(({ id, name, dateTime }) => ({ id, name, startTime: dateTime - (dateTime % WINDOW_MS) }))
    .keyBy((person) => person.id)
    .join(
      auctions.map(({ seller }) => ({ seller })).keyBy((auction) => auction.seller),
      { type: 'leftSemi', window: tumbling(WINDOW_MS) },
    ),
);
