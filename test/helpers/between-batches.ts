/** What may become of state between two batches of an {@link OperatorFixture}: no operator may tell. */
import type { OperatorFixture } from './operator-fixture.ts';

export const BETWEEN = ['nothing', 'fold', 'compact', 'restart'] as const;
export type Between = (typeof BETWEEN)[number];

/** In all stages. */
export async function between(fixture: OperatorFixture, what: Between): Promise<void> {
  if (what === 'nothing') return;
  await fixture.each(async (engine) => {
    if (what === 'fold') await engine.fold();
    if (what === 'compact') await engine.compact();
    if (what === 'restart') await engine.restart();
    await engine.catchUp();
  });
}
