/**
 * How random tests end: with the first failure, its cause in the message, and the seed and path that replay it. Their size
 * is a number of cases, never a time. Shrinking an expensive case takes longer than any time-out, and would hide what was
 * found; so it is asked for: `MISA_SHRINK=1`, best with the printed seed as `MISA_SEED` and one test chosen by `-t`.
 */
import fc from 'fast-check';

const { MISA_SHRINK, MISA_SEED } = process.env;

fc.configureGlobal({
  endOnFailure: MISA_SHRINK === undefined,
  includeErrorInReport: true,
  ...(MISA_SEED === undefined ? {} : { seed: Number(MISA_SEED) }),
});
