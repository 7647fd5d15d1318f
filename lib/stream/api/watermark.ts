/** How far a stream's watermark stays behind its rows: the options of `source()` and `withEventTime()`. */
import { type Duration, toMs } from '../../util/duration.ts';

/** How rows get their event time and how far the watermark stays behind. */
export interface WatermarkOptions {
  /**
   * How late rows may come. The input's watermark is the greatest event time of the batches before, minus `delay`.
   * Left out, the stream has event time but no watermark: nothing is late and nothing closes before `--flush`
   * (behind it, what it closed stays closed), and `append` output of windows is refused.
   */
  readonly delay?: Duration | undefined;
  /** An input without rows for this long (by the planner's clock) no longer holds the job's watermark back. Default: never. */
  readonly idleAfter?: Duration | undefined;
}

/**
 * The options in milliseconds.
 * @param what names the stream in messages
 * @throws {JobError} `BAD_DURATION`
 */
export function watermarkMs(
  options: WatermarkOptions,
  what: string,
): { delayMs: number | undefined; idleAfterMs: number | undefined } {
  const ms = (value: Duration | undefined, name: string): number | undefined =>
    value === undefined ? undefined : toMs(value, `${what}: ${name}`);
  return { delayMs: ms(options.delay, 'delay'), idleAfterMs: ms(options.idleAfter, 'idleAfter') };
}
