/** In mode complete a table takes the place of the one before; what appends beside it stays, in every place it goes to. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runEmbedded } from '../../lib/embedded/embedded.ts';
import { count, job, type Stream, source, tumbling } from '../../lib/index.ts';
import { type JobFile, openJobFile } from '../../lib/job/job-file.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { jobFileName } from '../../lib/object-store/names.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { testJob } from '../../lib/testing.ts';
import { decodeEnvelope, encodeEnvelope } from '../../lib/util/envelope.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { FastClock } from '../helpers/engine.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-kinds-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Word {
  readonly w: string;
  readonly t: number;
}
const WORDS: readonly Word[] = ['a', 'b', 'a', 'c', 'd'].map((w, t) => ({ w, t }));

const words = source<Word>('words', { eventTime: (r) => r.t, delay: 0 });
const keyed = words.keyBy((r) => r.w);
const counts = keyed.aggregate({ n: count() });
const complete = job(
  'words',
  { counts, raw: words.filter(() => true), late: keyed.window(tumbling(10)).late() },
  { outputMode: 'complete', trigger: { maxRows: 2 } },
);
const TABLE = [
  { key: 'a', n: 2 },
  { key: 'b', n: 1 },
  { key: 'c', n: 1 },
  { key: 'd', n: 1 },
];

/** All rows of the files of an output, in the order of their names. */
function rowsIn(directory: string, output: string): unknown[] {
  return readdirSync(directory)
    .filter((file) => file.startsWith(`${output}-`))
    .sort()
    .flatMap((file) => readFileSync(path.join(directory, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

describe('the kind of each output', () => {
  it('decides whether its results replace each other in a directory, not the mode of the job', async () => {
    const input = path.join(root, 'words.ndjson');
    writeFileSync(input, WORDS.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const output = path.join(root, 'out');
    await runEmbedded(compileJob(complete), {
      store: { kind: 'directory', path: path.join(root, 'store') },
      inputs: new Map([['words', [await fileRef(input)]]]),
      output: { kind: 'directory', path: output },
      committer: 'inline',
    });
    expect(rowsIn(output, 'counts')).toEqual(TABLE);
    expect(rowsIn(output, 'raw')).toEqual(WORDS);
  });

  it('decides what the table of a tested job is', async () => {
    const t = await testJob(complete);
    for (let i = 0; i < WORDS.length; i += 2) {
      t.send(words, WORDS.slice(i, i + 2));
      await t.runBatch();
    }
    expect(await t.table()).toEqual({ counts: TABLE, raw: WORDS, late: [] });
    await t.close();
  });

  it('is kept in the store, and added where an earlier version left it out', async () => {
    const store = new MemoryStore({ clock: new FastClock() });
    const physical = compileJob(complete);
    const { file: made } = await openJobFile(store, physical, seededRandom(1));
    expect(made.outputs.map(({ kind }) => kind)).toEqual(['table', 'append', 'append']);

    const name = jobFileName('words');
    const answer = await store.get(name);
    if (!answer.found) throw new Error('there is no job file');
    const found = decodeEnvelope<JobFile>('job', 1, answer.body, name);
    const old = { ...found, outputs: found.outputs.map(({ name, stage }) => ({ name, stage })) };
    await store.compareAndSet(name, encodeEnvelope('job', 1, old), answer.etag);
    const { file: opened } = await openJobFile(store, physical, seededRandom(2));
    expect(opened.outputs.map(({ kind }) => kind)).toEqual(['table', 'append', 'append']);
  });

  it('may not change under the state: outputs that swap their names are refused', async () => {
    const store = new MemoryStore({ clock: new FastClock() });
    const make = (outputs: Record<string, Stream<unknown>>) =>
      compileJob(job('words', outputs, { outputMode: 'complete' }));
    await openJobFile(store, make({ a: counts, b: words }), seededRandom(1));
    await expect(openJobFile(store, make({ a: words, b: counts }), seededRandom(2))).rejects.toThrow(
      /kind of output a: table in the store, append in the job/,
    );
  });
});
