/**
 * What a person sees when something fails: `misa: ` and one short block on stderr, and the exit code. Errors of Misa say
 * themselves what to do, so they are shown without a stack (`MISA_DEBUG=1` shows it); any other error is a bug of ours,
 * and is shown with all that helps to report it.
 */
import { MisaError } from '../lib/errors.ts';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** The command line makes no sense; exit code 2. */
export class UsageError extends Error {}

export function exitCode(error: unknown): number {
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

/** The text for stderr. */
export function failureText(error: unknown): string {
  const debug = (process.env.MISA_DEBUG ?? '') !== '';
  if (error instanceof UsageError) return `misa: ${error.message}\n`;
  if (error instanceof MisaError) return `misa: ${error.message}\n${debug ? `${stacks(error)}\n` : ''}`;
  return [
    'misa: this should not have happened. Nothing that was committed is lost; running again goes on from there.',
    'Please report it, with what follows and the command line:',
    stacks(error),
    `node ${process.version}, ${process.platform} ${process.arch}`,
    '',
  ].join('\n');
}

/** The same for machines: one JSON object. */
export function failureEvent(error: unknown): Record<string, unknown> {
  const code = error instanceof MisaError ? error.code : error instanceof UsageError ? 'USAGE' : 'INTERNAL';
  const event: Record<string, unknown> = { event: 'error', code, message: messageOf(error) };
  if (error instanceof MisaError) {
    event.retryable = error.retryable;
    for (const about of ['object', 'sourceObject', 'operator'] as const) {
      const value = (error as MisaError & { readonly [about]?: unknown })[about];
      if (value !== undefined) event[about] = value;
    }
  } else if (!(error instanceof UsageError)) {
    event.stack = stacks(error);
  }
  return event;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Stack of an error and of what caused it. */
function stacks(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${stacks(error.cause)}`;
}
