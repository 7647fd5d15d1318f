/**
 * A real program that uses `run` (as it is built), killed with SIGKILL at random moments, again and again, with a sink that
 * writes files named by batch, output and partition: each row is there once, and every call had the rows of the first.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { live } from '../helpers/lives.ts';

const KILLS = 12;
const root = mkdtempSync(path.join(tmpdir(), 'misa-run-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const misa = new URL('../../dist/lib/index.js', import.meta.url).href;
const input = path.join(root, 'events.ndjson');
const ROWS = 3000;
writeFileSync(
  input,
  Array.from({ length: ROWS }, (_, i) => `${JSON.stringify({ at: i * 1000, user: `u${i % 7}`, n: i })}\n`).join(''),
);

const program = path.join(root, 'program.mjs');
writeFileSync(
  program,
  `import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
   import { count, job, run, source, sum, tumbling } from ${JSON.stringify(misa)};
   const events = source('events', { eventTime: (e) => e.at, delay: '10 sec' });
   const minutes = events.keyBy((e) => e.user).window(tumbling('1 min')).aggregate({ n: count(), total: sum((e) => e.n) });
   const [store, sink] = process.argv.slice(2);
   const { done } = run(job('minutes', minutes, { partitions: 2, trigger: { maxRows: 60 } }), {
     inputs: { events: ${JSON.stringify(input)} }, store, flush: true,
     onEvent: ({ type }) => { if (type === 'started') process.stdout.write('started\\n'); },
     async onBatch({ batch, output, partition, rows }) {
       const file = sink + '/' + [batch, output, partition].join('-');
       const text = JSON.stringify(rows);
       appendFileSync(sink + '/calls.log', JSON.stringify([file, text]) + '\\n');
       await new Promise((resolve) => setImmediate(resolve));
       writeFileSync(file + '.part', text);
       renameSync(file + '.part', file);
     },
   });
   await done;`,
);

/** What is in the sink; every call of a name must have had the same rows. */
function contents(sink: string): Record<string, string> {
  const first = new Map<string, string>();
  for (const line of readFileSync(path.join(sink, 'calls.log'), 'utf8').split('\n')) {
    // A line that a kill cut off is followed by the next one's beginning.
    if (!line.startsWith('["') || !line.endsWith('"]')) continue;
    const [file, text] = JSON.parse(line) as [string, string];
    expect(first.get(file) ?? text, file).toBe(text);
    first.set(file, text);
  }
  const names = readdirSync(sink).filter((name) => /^\d/.test(name) && !name.endsWith('.part'));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(path.join(sink, name), 'utf8')]));
}

it(`killed ${KILLS} times, the sink of onBatch has each row once`, { timeout: 600_000 }, async () => {
  const folder = (name: string): string => {
    mkdirSync(path.join(root, name), { recursive: true });
    return path.join(root, name);
  };
  await live([program, path.join(root, 'whole-store'), folder('whole')], undefined);
  const expected = contents(path.join(root, 'whole'));
  const rows = Object.values(expected).flatMap((text) => JSON.parse(text) as { n: number; total: number }[]);
  expect(rows.reduce((sum, row) => sum + row.n, 0)).toBe(ROWS);
  expect(rows.reduce((sum, row) => sum + row.total, 0)).toBe((ROWS * (ROWS - 1)) / 2);

  let kills = 0;
  for (let job = 0; kills < KILLS; job++) {
    const store = path.join(root, `store-${job}`);
    const sink = folder(`sink-${job}`);
    const after: number[] = [];
    for (;;) {
      const ms = kills < KILLS && after.length < 20 ? Math.floor(Math.random() * Math.random() * 600) : undefined;
      if (!(await live([program, store, sink], ms))) break;
      kills++;
      after.push(ms!);
    }
    expect(contents(sink), `killed after ${after.join(', ')} ms`).toEqual(expected);
  }
});
