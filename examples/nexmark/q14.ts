/** Query 14, calculation: bids of a certain price in euros, the time of their day, and how many letters c they have. */
import { job } from 'misa';
import { bids, euros } from './model.ts';

export default job(
  'q14',
  bids
    .map(({ auction, bidder, price, dateTime, extra }) => ({ auction, bidder, price: euros(price), dateTime, extra }))
    .filter(({ price }) => price > 1_000_000 && price < 50_000_000)
    .map((bid) => ({ ...bid, bidTimeType: timeOfDay(bid.dateTime), countC: countOf('c', bid.extra) })),
);

/** From 8:00 to 18:59 is day, from 20:00 to 6:59 night, UTC. */
function timeOfDay(dateTime: number): string {
  const hour = new Date(dateTime).getUTCHours();
  if (hour >= 8 && hour <= 18) return 'dayTime';
  return hour <= 6 || hour >= 20 ? 'nightTime' : 'otherTime';
}

function countOf(letter: string, text: string): number {
  return text.split(letter).length - 1;
}
