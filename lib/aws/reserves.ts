/** What functions keep back of the platform's time. The construct refuses a `timeout` that leaves nothing. */

/** For what follows the work, and the answer, ms. */
export const MARGIN_MS = 3000;
/** Of that, for the answer alone, ms. */
export const ANSWER_MS = 1000;
/** `ingest` begins no plan with less time than this left besides, ms. */
export const RESERVE_MS = 5000;
