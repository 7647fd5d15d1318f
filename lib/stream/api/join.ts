/**
 * The types of joins of two streams, and of tables to join with. The operators are not built yet: `job()` refuses them.
 */

import type { Duration } from '../../util/duration.ts';
import type { FixedWindow } from './window.ts';

/** Which rows without a match come out, too. `leftSemi`: left rows that have one, each once. */
export type JoinType = 'inner' | 'left' | 'right' | 'full' | 'leftSemi';

/**
 * Right rows' times, relative to the left row's: left time − `before` ≤ right time ≤ left time + `after`. Either may be
 * negative, or `Infinity` for no bound (that side's state then grows). One duration stands for both.
 */
export type Within = Duration | { readonly before: Duration; readonly after: Duration };

/** What is known of a joined pair beside its rows; `windowStart` and `windowEnd` in a `window` join only. */
export type JoinAt<K, W> = W extends FixedWindow
  ? { readonly key: K; readonly windowStart: number; readonly windowEnd: number }
  : { readonly key: K };

/** Arguments of `select`: the missing side of an outer row is `null` (in a full join never both; `at.key` is always there). */
export type SelectArgs<J extends JoinType, L, R, At> = {
  inner: [left: L, right: R, at: At];
  left: [left: L, right: R | null, at: At];
  right: [left: L | null, right: R, at: At];
  full: [left: L | null, right: R | null, at: At];
  leftSemi: [left: L, at: At];
}[J];

/** Options of `join`, beside `select`. Without `within` and `window` rows are kept for ever (or `state.ttl`). */
export interface JoinOptions<K, L, R, J extends JoinType, W extends FixedWindow | undefined> {
  /** Default `inner`. */
  readonly type?: J | undefined;
  /** Time range; both sides need event time. Not together with `window`. */
  readonly within?: Within | undefined;
  /** Both rows in the same window. Sliding: one result for each window they share. Not together with `within`. */
  readonly window?: W | undefined;
  /** Further condition on a pair. */
  readonly where?: ((left: L, right: R, at: { readonly key: K }) => boolean) | undefined;
  /** Condition on left rows alone, known on arrival: rows that fail take no state and, in a left or full join, come out at once. */
  readonly whereLeft?: ((left: L) => boolean) | undefined;
  /** The same for right rows; right and full joins. */
  readonly whereRight?: ((right: R) => boolean) | undefined;
  /**
   * Event time of the result: of the left row, the right row, or the later of both (default; the present one's for outer
   * rows). The stream's watermark is held back as far as such rows can still come. In a `window` join: `windowEnd − 1`.
   */
  readonly eventTime?: 'left' | 'right' | 'later' | undefined;
}
