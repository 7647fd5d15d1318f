/**
 * Planted bugs as data: a snippet of the code that stands there once, what takes its place, which rule that breaks, and the
 * tests that must notice. `npm run mutants` plants them one at a time in a copy of the tree.
 */

/** A test that must fail, by its file and a part of its name that stands there as it is. */
export interface Detector {
  readonly file: string;
  readonly name: string;
}

export interface Mutant {
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** The rule that is broken: its name in `docs/protocol.md` with ⚑, an invariant by its number, or in words. */
  readonly rule: string;
  /** One of these failing is enough. */
  readonly tests: readonly Detector[];
  /** They run the built commands on the services of the suite (a local AWS): takes a minute, so only where nothing else does. */
  readonly built?: boolean | undefined;
  /** Its tests do not end: a minute is enough to know. */
  readonly endless?: boolean | undefined;
}

/** The text with the bug in it. @throws {Error} the snippet is not there, or there more than once: the list is out of date */
export function plant(text: string, { file, from, to, rule }: Mutant): string {
  const times = text.split(from).length - 1;
  if (times !== 1) throw new Error(`${file}: the snippet of '${rule}' stands there ${times} times, not once:\n${from}`);
  return text.replace(from, () => to);
}
