import type { Random } from '../../lib/util/random.ts';

/** The items in an order that the seed decides. */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random.next() * left.length), 1)[0]!);
}
