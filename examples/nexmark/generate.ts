/**
 * Writes NEXMark's events as files that jobs read: `person.ndjson`, `auction.ndjson` and `bid.ndjson`.
 *
 *     npx tsx examples/nexmark/generate.ts --events 1000000 --out events [--shuffle '4 s'] [--rate 10000] [--seed 1]
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { duration } from 'misa';
import { nexmarkEvents } from './generator.ts';
import { shuffled } from './shuffled.ts';

const BUFFERED = 1 << 20;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    out: { type: 'string', default: 'events' },
    shuffle: { type: 'string' },
    rate: { type: 'string' },
    seed: { type: 'string' },
    start: { type: 'string' },
  },
});

mkdirSync(values.out, { recursive: true });
const files = new Map(
  (['person', 'auction', 'bid'] as const).map((source) => [
    source,
    { file: openSync(path.join(values.out, `${source}.ndjson`), 'w'), text: '', rows: 0 },
  ]),
);

const inOrder = nexmarkEvents({
  events: numberOf('events', values.events)!,
  seed: numberOf('seed', values.seed),
  rate: numberOf('rate', values.rate),
  start: values.start === undefined ? undefined : Date.parse(values.start),
});
for (const { source, row } of values.shuffle === undefined ? inOrder : shuffled(inOrder, duration(values.shuffle))) {
  const to = files.get(source)!;
  to.text += `${JSON.stringify(row)}\n`;
  to.rows++;
  if (to.text.length < BUFFERED) continue;
  writeSync(to.file, to.text);
  to.text = '';
}
for (const [source, { file, text, rows }] of files) {
  writeSync(file, text);
  closeSync(file);
  console.log(`${path.join(values.out, `${source}.ndjson`)}: ${rows} rows`);
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name} must be a number above 0, not ${text}`);
  return number;
}
