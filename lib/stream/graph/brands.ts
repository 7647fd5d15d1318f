/**
 * Names of properties that exist for the compiler only: they carry the row, key and result types of streams, windows,
 * aggregates and jobs, so that inference and `RowOf` can find them. No value ever has them.
 */

/** The row type of a stream. */
export declare const row: unique symbol;
/** The key type of a keyed stream. */
export declare const key: unique symbol;
/** What goes into a window or an aggregate. */
export declare const into: unique symbol;
/** What comes out of an aggregate or a job. */
export declare const result: unique symbol;
