/** Streams as input of `run`: rows and bytes, cut into batches by size and time, slowed down where the engine is slower. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import {
  count,
  job,
  type QuarantinedResult,
  type RunEvent,
  type RunInput,
  type Running,
  type RunOptions,
  run,
  source,
  sum,
  tumbling,
} from '../../lib/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-streams-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let stores = 0;
const newStore = (): string => path.join(root, `store-${stores++}`);

interface Click {
  readonly at: number;
  readonly user: string;
  readonly n: number;
}
const clicks = source<Click>('clicks', { eventTime: (c) => c.at, delay: '1 sec' });
const jobOf = (trigger: { maxRows?: number; maxWait?: number } = {}) =>
  job(
    'clicks',
    clicks
      .keyBy((c) => c.user)
      .window(tumbling('1 min'))
      .aggregate({ clicks: count(), total: sum((c) => c.n) }),
    { partitions: 2, trigger: { maxRows: 40, ...trigger } },
  );
const rows = (from: number, to: number): Click[] =>
  Array.from({ length: to - from }, (_, i) => ({ at: (from + i) * 1000, user: `u${(from + i) % 3}`, n: from + i }));
const ndjson = (all: readonly unknown[]): string => all.map((row) => `${JSON.stringify(row)}\n`).join('');

function expected(all: readonly Click[]): string[] {
  const windows = new Map<string, [number, number]>();
  for (const { at, user, n } of all) {
    const name = `${user} ${Math.floor(at / 60_000)}`;
    const [before, total] = windows.get(name) ?? [0, 0];
    windows.set(name, [before + 1, total + n]);
  }
  return [...windows].map(([name, of]) => `${name} ${of.join(' ')}`).sort();
}

/** Runs to the end, and gives the windows beside the summary. */
async function results(input: RunInput, store = newStore(), options: Partial<RunOptions> = {}) {
  const given: string[] = [];
  const bad: QuarantinedResult[] = [];
  const summary = await run(jobOf(), {
    inputs: { clicks: input },
    store,
    flush: true,
    onBatch(results) {
      if (results.output === '_quarantine') return void bad.push(...results.rows);
      for (const r of results.rows) given.push(`${r.key} ${r.windowStart / 60_000} ${r.clicks} ${r.total}`);
    },
    ...(options as object),
  }).done;
  return { summary, given: given.sort(), bad };
}

async function* slowly<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    await new Promise((resolve) => setImmediate(resolve));
    yield item;
  }
}

describe('streams', () => {
  const text = ndjson(rows(0, 150));
  const csv = `at,user,n\n${rows(0, 150)
    .map((c) => `${c.at},${c.user},${c.n}\n`)
    .join('')}`;
  const pieces = (bytes: Buffer): Buffer[] =>
    Array.from({ length: Math.ceil(bytes.length / 97) }, (_, i) => bytes.subarray(i * 97, i * 97 + 97));
  const kinds: Record<string, () => RunInput> = {
    'rows in an array': () => rows(0, 150) as unknown as RunInput,
    'rows by an async generator': () => slowly(rows(0, 150)),
    "rows by one of Node's streams": () => Readable.from(rows(0, 150)),
    'bytes, cut anywhere': () => slowly(pieces(Buffer.from(text))),
    'text in one piece': () => ({ from: [text.trimEnd()] }),
    "bytes by one of Node's streams": () => Readable.from(pieces(Buffer.from(text)), { objectMode: false }),
    CSV: () => ({ from: slowly(pieces(Buffer.from(csv))), format: 'csv' }),
    'NDJSON through gzip': () => ({ from: slowly(pieces(gzipSync(text))), compression: 'gzip' }),
  };
  for (const [name, input] of Object.entries(kinds)) {
    it(`${name}: right results, each row once`, async () => {
      const { summary, given } = await results(input());
      expect(given).toEqual(expected(rows(0, 150)));
      expect(summary).toMatchObject({
        reason: 'read',
        rows: 150,
        planned: { clicks: 150 },
        rowsBySource: { clicks: 150 },
      });
    });
  }

  it('a stream without an id is new in each run; one with an id is passed over as far as it is planned', async () => {
    const store = newStore();
    const first = await results({ from: rows(0, 30), id: 'a' }, store, { flush: false });
    expect(first.summary.planned).toEqual({ clicks: 30 });
    const seen: number[] = [];
    const second = await results(
      {
        id: 'a',
        from(planned) {
          seen.push(planned);
          return slowly(rows(planned, 70));
        },
      },
      store,
      { flush: false },
    );
    expect(seen).toEqual([30]);
    expect(second.summary).toMatchObject({ rows: 40, planned: { clicks: 70 } });
    const third = await results({ from: [ndjson(rows(0, 90))], id: 'a' }, store, { flush: false });
    expect(third.summary).toMatchObject({ rows: 20, planned: { clicks: 90 } });
    const last = await results(slowly(rows(90, 120)), store);
    expect(last.summary).toMatchObject({ rows: 30, planned: { clicks: 30 } });
    expect([...first.given, ...second.given, ...third.given, ...last.given].sort()).toEqual(expected(rows(0, 120)));
  });

  it('bad rows and lines are set aside with their number', async () => {
    const lines = ndjson(rows(0, 9)).split('\n');
    lines[3] = '{"at":';
    const { summary, bad } = await results([Buffer.from(lines.join('\n'))] as unknown as RunInput);
    expect(summary).toMatchObject({ rows: 9, quarantined: 1 });
    expect(bad).toMatchObject([{ source: 'clicks', line: 4, object: expect.stringMatching(/^stream /) }]);
    const objects = await results([{ at: 1, user: 'u', n: 1 }, { user: 'u' }] as unknown as RunInput);
    expect(objects.bad).toMatchObject([{ line: 2 }]);
  });

  it('rows that no batch could carry are set aside with their number and reason', async () => {
    let deep: unknown = 1;
    for (let i = 0; i < 600; i++) deep = [deep];
    const loop: { at: number; self?: unknown } = { at: 1 };
    loop.self = Array.from({ length: 50 }, () => loop);
    class Money {
      readonly cents = 5;
    }
    const given: unknown[] = [
      ...rows(0, 3),
      { ...rows(3, 4)[0], tags: new Map([['a', 1]]) },
      { ...rows(3, 4)[0], price: new Money() },
      { ...rows(3, 4)[0], f: () => 1 },
      { ...rows(3, 4)[0], deep },
      loop,
      ...rows(3, 9),
    ];
    for (const input of [given as unknown as RunInput, slowly(given)]) {
      const { summary, bad, given: windows } = await results(input);
      expect(windows).toEqual(expected(rows(0, 9)));
      expect(summary).toMatchObject({ rows: 14, quarantined: 5 });
      expect(bad.map(({ line, reason }) => [line, reason])).toEqual([
        [4, 'a Map at .tags: rows and state are plain data; use an object or an array'],
        [5, 'a Money at .price: rows and state are plain data; use an object of its values'],
        [6, 'a function at .f: rows and state are plain data; leave it out'],
        [7, 'the row is nested more than 500 levels deep'],
        [8, 'the row is nested more than 500 levels deep'],
      ]);
    }
  });

  it('a row is taken as it is when it is given', async () => {
    const row = { at: 0, user: '', n: 0 };
    function* again() {
      for (const next of rows(0, 150)) yield Object.assign(row, next);
    }
    const { given } = await results(again());
    expect(given).toEqual(expected(rows(0, 150)));
  });

  it('a slow stream still gives batches, and closes windows while it waits; a fast one is slowed down', async () => {
    const events: RunEvent[] = [];
    let open = (): void => {};
    let asked = 0;
    const opened = new Promise<void>((resolve) => (open = resolve));
    async function* stream(): AsyncGenerator<Click> {
      yield* rows(0, 100);
      // Nothing more until what came is processed, and the window of the first minute is closed.
      await opened;
      for (const row of rows(100, 1000)) {
        asked++;
        yield row;
      }
    }
    let most = 0;
    let done = 0;
    const given: unknown[] = [];
    const running = run(jobOf({ maxWait: 5 }), {
      inputs: { clicks: stream() },
      store: newStore(),
      onEvent(event) {
        events.push(event);
        if (event.type === 'progress' && event.kind === 'data') done += event.rows;
        if (event.type === 'idle') open();
      },
      async onBatch({ rows }) {
        given.push(...rows);
        most = Math.max(most, asked - Math.max(0, done - 100));
      },
    });
    const summary = await running.done;
    expect(summary).toMatchObject({ rows: 1000, reason: 'read' });
    const idle = events.findIndex((e) => e.type === 'idle');
    const before = events.slice(0, idle).filter((e) => e.type === 'progress');
    expect(before.reduce((sum, e) => sum + e.rows, 0)).toBe(100);
    expect(before.at(-1)).toMatchObject({ kind: 'empty', watermark: 98_000 });
    // A batch that runs, one that waits to be reported, one that is planned, and what waits in the buffer.
    expect(most).toBeLessThanOrEqual(6 * 40);
  });

  it('stopped while it waits, it ends; what was given is processed', { timeout: 60_000 }, async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<Click> {
      try {
        yield* rows(0, 50);
        await new Promise(() => {});
      } finally {
        ended = true;
      }
    }
    const running: Running = run(jobOf({ maxWait: 5 }), {
      inputs: { clicks: endless() },
      store: newStore(),
      onEvent: ({ type }) => type === 'idle' && running.stop(),
    });
    expect(await running.done).toMatchObject({ reason: 'stopped', rows: 50, planned: { clicks: 50 } });
    expect(ended).toBe(false);
    const stream = new Readable({ objectMode: true, read() {} });
    for (const row of rows(0, 50)) stream.push(row);
    const second: Running = run(jobOf({ maxWait: 5 }), {
      inputs: { clicks: stream },
      store: newStore(),
      onEvent: ({ type }) => type === 'idle' && second.stop(),
    });
    expect(await second.done).toMatchObject({ reason: 'stopped', rows: 50 });
    expect(stream.destroyed).toBe(true);
  });

  it('what fails in a stream rejects, with what came before processed', async () => {
    async function* failing(): AsyncGenerator<unknown> {
      yield* rows(0, 50);
      throw new Error('the wire broke');
    }
    const store = newStore();
    const error = await results({ from: failing(), id: 'f' }, store).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'INPUT_FAILED', cause: { message: 'the wire broke' } });
    const { summary } = await results({ id: 'f', from: (planned) => rows(planned, 60) }, store);
    expect(summary).toMatchObject({ rows: 10, planned: { clicks: 60 } });
    for (const from of [
      [1, 'x'],
      ['{}\n', {}],
    ] as const) {
      await expect(results({ from: slowly(from) })).rejects.toMatchObject({ code: 'INPUT_FORMAT' });
    }
    for (const bad of [5, null, {}, { from: 5 }, { from: [], format: 'xml' }, { from: [], id: '' }]) {
      await expect(results(bad as never)).rejects.toMatchObject({ code: 'BAD_OPTIONS' });
    }
  });
});
