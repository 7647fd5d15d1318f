/** Query 8, monitor new users: people who signed up and opened an auction in the same 10 seconds. */
import { job, tumbling } from 'misa';
import { auctions, people } from './model.ts';

const WINDOW_MS = 10_000;

export default job(
  'q8',
  people
    .keyBy((person) => person.id)
    .join(
      auctions.keyBy((auction) => auction.seller),
      { type: 'leftSemi', window: tumbling(WINDOW_MS) },
    )
    .map(({ id, name, dateTime }) => ({ id, name, startTime: dateTime - (dateTime % WINDOW_MS) })),
);
