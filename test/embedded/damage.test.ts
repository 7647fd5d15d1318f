/** What a person may do to a store or a cache by mistake, and what the embedded runtime says to it. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runEmbedded } from '../../lib/embedded/embedded.ts';
import { count, job, source, tumbling } from '../../lib/index.ts';
import { expandInputs } from '../../lib/source/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'misa-damage-'));
  const rows = Array.from({ length: 200 }, (_, i) => JSON.stringify({ time: i * 100, key: `k${i % 3}` }));
  writeFileSync(path.join(folder, 'events.ndjson'), `${rows.join('\n')}\n`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function counts(input = 'events', partitions = 2) {
  const events = source<{ time: number; key: string }>(input, { eventTime: (e) => e.time, delay: 100 });
  const stream = events
    .keyBy((e) => e.key)
    .window(tumbling(1000))
    .aggregate({ n: count() });
  return compileJob(job('counts', stream, { partitions, trigger: { maxRows: 40 } }));
}

async function run(output: string, compiled = counts()): Promise<void> {
  const inputs = new Map([[compiled.sources[0]!.name, await expandInputs([path.join(folder, 'events.ndjson')])]]);
  const store = { kind: 'directory', path: path.join(folder, 'store') } as const;
  const directory = { kind: 'directory', path: path.join(folder, output) } as const;
  await runEmbedded(compiled, { store, inputs, output: directory, committer: 'inline', flush: true });
}

describe('a store that was tampered with', () => {
  it('without job.json is refused, not begun anew', async () => {
    await run('out');
    rmSync(path.join(folder, 'store/counts/job.json~'), { recursive: true });
    await expect(run('again', counts('events', 1))).rejects.toThrow(/job\.json is corrupted: it is missing/);
    expect(existsSync(path.join(folder, 'store/counts/job.json~'))).toBe(false);
  });

  it('without a published result, and without its log entry, says which one a new output needs', async () => {
    await run('out');
    for (const part of ['out/results/p0', 's0/p0/log', 's0/p1/log']) {
      const at = path.join(folder, 'store/counts/e1', part);
      for (const name of existsSync(at) ? readdirSync(at) : []) rmSync(path.join(at, name));
    }
    const outputs = readdirSync(path.join(folder, 'store/counts/e1/out'));
    for (const output of outputs)
      rmSync(path.join(folder, 'store/counts/e1/out', output, 'p0/000000000003'), { force: true });
    await expect(run('new')).rejects.toThrow(/s0\/p0\/log\/0+\d is corrupted: it is missing/);
  });

  it('takes results from the log entry, which has a checksum, while it is kept', async () => {
    await run('out');
    const out = path.join(folder, 'store/counts/e1/out');
    const objects = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(objects).not.toEqual([]);
    for (const { parentPath, name } of objects) writeFileSync(path.join(parentPath, name), 'damaged');
    await run('new');
    const results = (output: string): string[] =>
      readdirSync(path.join(folder, output)).filter((f) => f.endsWith('ndjson'));
    expect(results('new')).toEqual(results('out'));
  });

  it('refuses a job whose source has another name, which would read its files again', async () => {
    await run('out');
    await expect(run('out', counts('renamed'))).rejects.toThrow(/only in the store: source events/);
  });
});
