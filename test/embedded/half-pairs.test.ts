/** Text that UTF-8 cannot hold: kept where the format has a form for it, else replaced, and never without a word. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, describe, expect, it } from 'vitest';
import { job, type RunEvent, run, source } from '../../lib/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-half-pairs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const HALF = 'cut \ud83d';
const ROWS = [
  { id: 1, text: 'whole 🛫', more: { text: 'ok' } },
  { id: 2, text: HALF, more: { text: HALF } },
];
const pass = job(
  'pass',
  source<(typeof ROWS)[number]>('rows').filter(() => true),
  { partitions: 1 },
);

async function written(format: 'ndjson' | 'csv' | 'parquet'): Promise<{ file: string; warnings: string[] }> {
  const folder = path.join(root, format);
  const events: RunEvent[] = [];
  await run(pass, {
    inputs: { rows: ROWS },
    store: path.join(folder, 'store'),
    output: { directory: path.join(folder, 'out'), format, rollBytes: 1 << 20 },
    onEvent: (event) => events.push(event),
  }).done;
  const [name] = readdirSync(path.join(folder, 'out', 'out'));
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  return { file: path.join(folder, 'out', 'out', name!), warnings };
}

const WARNING = 'text was written with U+FFFD for half a surrogate pair: the first is in the column "text".';

describe('half a surrogate pair in results', () => {
  it('is escaped in NDJSON, and read back as it is', async () => {
    const { file, warnings } = await written('ndjson');
    expect(
      readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(ROWS);
    expect(warnings).toEqual([]);
  });

  it('is U+FFFD in text of CSV, with a warning, and kept in JSON there', async () => {
    const { file, warnings } = await written('csv');
    expect(readFileSync(file, 'utf8')).toBe(
      'id,text,more\n1,whole 🛫,"{""text"":""ok""}"\n2,cut \ufffd,"{""text"":""cut \\ud83d""}"\n',
    );
    expect(warnings).toEqual([expect.stringContaining(WARNING)]);
  });

  it('is U+FFFD in text of Parquet, with a warning, and kept in JSON there', async () => {
    const { file, warnings } = await written('parquet');
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(file) });
    expect(rows).toEqual([ROWS[0], { ...ROWS[1], text: 'cut \ufffd' }]);
    expect(warnings).toEqual([expect.stringContaining(WARNING)]);
  });
});
