/** A row as text for people: in messages, and where bad rows are kept. */
import { inspect } from 'node:util';
import { assertPlain } from './plain-data.ts';
import { cutText } from './text.ts';

const SHOWN_CHARS = 500;

/** JSON, or what comes near to it where the row is none; at most 500 characters. Never throws. */
export function shownRow(row: unknown): string {
  return cutText(textOf(row), SHOWN_CHARS);
}

function textOf(row: unknown): string {
  if (typeof row === 'string') return row;
  try {
    assertPlain(row);
    return JSON.stringify(row, (_, v) => (typeof v === 'bigint' ? String(v) : v)) ?? String(row);
  } catch {
    return inspect(row, { depth: 8, breakLength: Number.POSITIVE_INFINITY, maxStringLength: SHOWN_CHARS });
  }
}
