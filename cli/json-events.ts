/** For machines a failure is an event like any other, beside the message on stderr. */
import { failureEvent } from './failure.ts';
import type { Steps } from './steps.ts';

/** Runs a command; leaves the terminal as it was, whatever comes of it. */
export async function failuresAsEvents<T>(
  json: boolean,
  steps: Steps,
  run: () => Promise<T>,
  stream: NodeJS.WriteStream = process.stdout,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    steps.close();
    if (json) stream.write(`${JSON.stringify(failureEvent(error))}\n`);
    throw error;
  } finally {
    steps.close();
  }
}
