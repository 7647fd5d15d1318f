/**
 * NDJSON on standard input, as it comes: what is there by now is one chunk of rows, so that a slow producer's rows are not
 * kept waiting for more.
 */
import { StringDecoder } from 'node:string_decoder';
import { errorText } from '../../lib/errors.ts';

export interface InputChunk {
  readonly rows: readonly unknown[];
  /** Lines that are no JSON, by number from 1. */
  readonly bad: readonly { readonly line: number; readonly reason: string }[];
}

/** Longest line; a longer one is an error. */
const MAX_LINE_CHARS = 64 << 20;

export async function* ndjsonChunks(input: AsyncIterable<Uint8Array>): AsyncGenerator<InputChunk, void, undefined> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let line = 0;
  const parse = (lines: readonly string[]): InputChunk => {
    const rows: unknown[] = [];
    const bad: { line: number; reason: string }[] = [];
    for (const text of lines) {
      line++;
      if (text.trim() === '') continue;
      try {
        rows.push(JSON.parse(text));
      } catch (error) {
        bad.push({ line, reason: errorText(error) });
      }
    }
    return { rows, bad };
  };
  for await (const bytes of input) {
    const lines = (rest + decoder.write(Buffer.from(bytes))).split('\n');
    rest = lines.pop()!;
    if (rest.length > MAX_LINE_CHARS) {
      yield { rows: [], bad: [{ line: line + 1, reason: `it is longer than ${MAX_LINE_CHARS} characters` }] };
      return;
    }
    if (lines.length > 0) yield parse(lines);
  }
  rest += decoder.end();
  if (rest !== '') yield parse([rest]);
}
