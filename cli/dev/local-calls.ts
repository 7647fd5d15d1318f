/**
 * Two requests that `misa dev` makes of its local AWS beside those that every command makes: it runs a function at once
 * instead of waiting for the schedule, and reads logs. The local AWS checks no signatures, so no clients are needed.
 */
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../aws/environment.ts';

const REQUEST_TIMEOUT_MS = 120_000;

export interface LogLine {
  readonly group: string;
  readonly timeMs: number;
  readonly text: string;
}

/** Runs a function. @returns what it failed with */
export async function invoke(endpoint: string, name: string, event: unknown): Promise<string | undefined> {
  const answer = await fetch(`${endpoint}/2015-03-31/functions/${encodeURIComponent(name)}/invocations`, {
    method: 'POST',
    headers: { authorization: authorization('lambda') },
    body: JSON.stringify(event),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const text = await answer.text();
  if (answer.ok && answer.headers.get('x-amz-function-error') === null) return undefined;
  try {
    return (JSON.parse(text) as { errorMessage?: string }).errorMessage ?? text;
  } catch {
    return text;
  }
}

/** Lines of a log group from a time on, oldest first. `[]`: there is no such group yet. */
export async function logLines(endpoint: string, group: string, fromMs: number): Promise<LogLine[]> {
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'Logs_20140328.FilterLogEvents',
      authorization: authorization('logs'),
    },
    body: JSON.stringify({ logGroupName: group, startTime: fromMs, limit: 10_000 }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (!answer.ok) return [];
  const { events = [] } = (await answer.json()) as { events?: { timestamp: number; message: string }[] };
  return events.map(({ timestamp, message }) => ({ group, timeMs: timestamp, text: message.trimEnd() }));
}

function authorization(service: string): string {
  const scope = `20260101/${LOCAL_REGION}/${service}/aws4_request`;
  return `AWS4-HMAC-SHA256 Credential=${LOCAL_ACCOUNT}/${scope}, SignedHeaders=host, Signature=0`;
}
