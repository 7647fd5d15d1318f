/** Sends rows as messages to a queue of a job, and the word that closes its windows. */
import { MisaError } from '../../lib/errors.ts';
import { rowMessages } from '../../lib/producer.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { BAD_ROW, type FileRef, openRows } from '../../lib/source/index.ts';
import { pushAll } from '../../lib/util/numbers.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { type InputChunk, ndjsonChunks } from '../run/standard-input.ts';

export interface SentRows {
  readonly rows: number;
  readonly messages: number;
  /** Records that could not be read, and were not sent. */
  readonly bad: number;
  /** Names of the messages, as the planner knows them. */
  readonly names: readonly string[];
}

export interface SendingRows {
  /** The queue keeps their order. */
  readonly fifo: boolean;
  readonly onProgress: (sent: { readonly rows: number; readonly messages: number }) => void;
  readonly onBad: (line: string) => void;
}

/** Rows of files, decoded here. */
export async function* fileChunks(
  files: readonly FileRef[],
): AsyncGenerator<InputChunk & { of: string }, void, undefined> {
  for (const file of files) {
    for await (const { rows, bad, lineOf, firstRow } of openRows(file)) {
      const good = bad.length === 0 ? rows : rows.filter((row) => row !== BAD_ROW);
      const told = bad.map(({ index, reason }) => ({ line: lineOf(index) ?? firstRow + index + 1, reason }));
      yield { of: file.path, rows: good, bad: told };
    }
  }
}

/** Rows of standard input, NDJSON. */
export async function* standardInputChunks(): AsyncGenerator<InputChunk & { of: string }, void, undefined> {
  for await (const chunk of ndjsonChunks(process.stdin)) yield { of: 'standard input', ...chunk };
}

export async function sendRows(
  queue: Queue,
  source: string,
  chunks: AsyncIterable<InputChunk & { readonly of: string }>,
  { fifo, onProgress, onBad }: SendingRows,
): Promise<SentRows> {
  const sent = { rows: 0, messages: 0, bad: 0 };
  const names: string[] = [];
  for await (const { of, rows, bad } of chunks) {
    for (const { line, reason } of bad) onBad(`${of}, line ${line}: ${reason}`);
    sent.bad += bad.length;
    if (rows.length === 0) continue;
    const messages = [...rowMessages(source, rows, { fifo })];
    // One message per request: of several, SQS may refuse one and take those after it, which breaks the order.
    for (const some of fifo ? messages.map((message) => [message]) : [messages]) await queue.send(some);
    for (const { body } of messages) pushAll(names, nameOf(body));
    sent.rows += rows.length;
    sent.messages += messages.length;
    onProgress(sent);
  }
  return { ...sent, names };
}

/** The planner's name for a message that carries its own id. */
function nameOf(body: string): string[] {
  const { id } = JSON.parse(body) as { id?: unknown };
  return typeof id === 'string' ? [messageName(id)] : [];
}

export function messageName(id: string): string {
  return `message ${id}`;
}

/** @returns its name in plans */
export async function sendFlush(queue: Queue): Promise<string> {
  const id = `flush-${systemRandom.id()}`;
  await queue.send([{ body: JSON.stringify({ misa: 1, control: 'flush', id }) }]);
  return messageName(id);
}

export function badRows(count: number): MisaError {
  const what = count === 1 ? '1 record was' : `${count} records were`;
  return new MisaError(
    'BAD_ROWS',
    `${what} unreadable and not sent (see above); all others were. Correct them and send them alone`,
  );
}
