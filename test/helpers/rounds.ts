/** Rounds of requests: how many request times work takes, whatever one takes. */
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { type CountingStore, countingStore, hookedStore, type LoggedCall } from './stores.ts';

/** Requests of each round: those that were under way together. */
export function roundsOf(calls: readonly LoggedCall[]): number[] {
  const rounds: number[] = [];
  for (const { besides } of calls) {
    if (besides === 0) rounds.push(1);
    else rounds[rounds.length - 1]!++;
  }
  return rounds;
}

/** Answers every request only when all that could be sent beside it is sent. */
export function inRounds(store: ObjectStore): CountingStore {
  return countingStore(
    hookedStore(store, {
      async before() {
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      },
    }),
  );
}
