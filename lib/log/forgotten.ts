/**
 * Ranges of time that operators have forgotten, as data: a timed table has no rows at or before its floor. One pair stands for a
 * tombstone of each row. Log entries say how far a batch has forgotten, manifests keep how far that is for what they
 * have folded. A floor never falls, and nothing is ever put at or below it; so it hides rows wherever they are, and whoever
 * rewrites them leaves them out.
 */

/** Floors by table of the partition, ascending by its number; a table that is not there has forgotten nothing. */
export type Forgotten = readonly (readonly [table: number, upTo: number])[];

export const NOTHING_FORGOTTEN: Forgotten = [];

/** What is forgotten after both: of each table the greater floor. */
export function forgottenByBoth(a: Forgotten, b: Forgotten): Forgotten {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  const floors = new Map(a);
  for (const [table, upTo] of b) floors.set(table, Math.max(floors.get(table) ?? upTo, upTo));
  return [...floors].sort(([one], [other]) => one - other);
}
