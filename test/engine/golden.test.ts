/**
 * Golden files: committed bytes of each format that must decode to fixed content for ever, and encode to the same bytes as
 * long as the format version stays. A change that breaks one of these would make stores unreadable that exist.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { decodeUnnamed, encodeUnnamed } from '../../lib/commit/unnamed.ts';
import { type Cursor, readCursor, writeCursor } from '../../lib/embedded/output/cursor.ts';
import { readTableState, writeTableState } from '../../lib/embedded/output/table-state.ts';
import type { JobFile } from '../../lib/job/job-file.ts';
import { writeDeleted, writeNumbers, writePacked } from '../../lib/log/changes.ts';
import { decodeLogEntry, decodeLogHeader, encodeLogEntry, type LogHeader } from '../../lib/log/entry.ts';
import { PREFIX_BLOCK_BYTES, PrefixHasher } from '../../lib/plan/content-prefix.ts';
import {
  decodePlan,
  decodePlanObject,
  encodePlan,
  encodePlanObject,
  type Piece,
  type Plan,
} from '../../lib/plan/plan.ts';
import { objectKey, planChanges, plannerExpiry } from '../../lib/plan/planner-log.ts';
import { encodeInput, type PartitionInput } from '../../lib/plan/rows.ts';
import { decodeSegment, encodeSegment } from '../../lib/plan/segment.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { decodeWarmPack, encodeWarmPack } from '../../lib/state/warm-pack.ts';
import { ByteWriter } from '../../lib/util/bytes.ts';
import { decodeEnvelope, encodeEnvelope } from '../../lib/util/envelope.ts';
import { contentHash } from '../../lib/util/hash.ts';
import { packValue, unpackValue } from '../../lib/util/pack.ts';
import { columnBatchOf, plainInput } from '../helpers/row-batches.ts';

const folder = new URL('../golden/', import.meta.url);

/** The committed bytes; with `MISA_WRITE_GOLDEN=1` those given, where there is no file yet. */
function golden(name: string, encoded: Uint8Array): Buffer {
  const file = new URL(name, folder);
  if (!existsSync(file) && process.env.MISA_WRITE_GOLDEN === '1') {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, encoded);
  }
  return readFileSync(file);
}

function matches(name: string, encoded: Uint8Array): Buffer {
  const bytes = golden(name, encoded);
  expect(
    Buffer.from(encoded).toString('hex'),
    `${name}: what is written now differs from what was written before`,
  ).toBe(bytes.toString('hex'));
  return bytes;
}

const INPUT: PartitionInput = {
  edges: [
    undefined,
    columnBatchOf({
      keys: ['\x06a\x00', '\x06b\x00', '\x06a\x00'],
      times: [1000, 2000, Number.NaN],
      rows: [
        { k: 'a', v: 1 },
        { k: 'b', v: -2.5 },
        { k: 'a', v: null, more: [true, 'ü', 12345678901234n] },
      ],
      primary: [true, true, false],
      pieces: [0, 0, 1],
    }),
  ],
  quarantined: [{ source: 'events', object: '/in/a.ndjson', line: 7, reason: 'no event time', text: '{}' }],
  objects: ['/in/a.ndjson', '/in/b.ndjson'],
};

const PLAN: Plan = {
  n: 7,
  kind: 'data',
  pieces: [
    {
      source: 'events',
      name: '/in/a.ndjson',
      version: '120-1700000000000.5',
      from: 10,
      to: 20,
      fromPosition: { row: 10, line: 11, offset: 60 },
      toPosition: { row: 20, line: 21, offset: 120 },
      done: true,
      size: 120,
      mtimeMs: 1700000000000.5,
      contentHash: 'ab'.repeat(32),
    },
  ],
  segment: null,
  counts: { rows: 10, dropped: 1, quarantined: 2 },
  inputs: { 'source:events': { maxEventTime: 1357040940000, seenMs: 1700000000001 } },
  watermark: 1357030140000,
  previousWatermark: null,
  processingTime: 1700000000002,
  headHash: '0123456789abcdef0123456789abcdef',
  previousHash: 'fedcba9876543210fedcba9876543210',
  attempt: '00112233445566778899',
};

it('a plan', () => {
  const stored = encodePlan(PLAN);
  const bytes = matches('plan-v1.json', stored.bytes);
  expect(decodePlan(bytes, 'golden', 7).plan).toEqual(PLAN);
});

it('a plan whose pieces say what was read', () => {
  const hasher = new PrefixHasher();
  hasher.push(Buffer.alloc(PREFIX_BLOCK_BYTES + 100, 'abcdefghijklmno\n'));
  hasher.toEnd();
  const long = { ...PLAN.pieces[0]!, contentHash: undefined, prefix: hasher.prefix };
  const short = new PrefixHasher();
  short.push(Buffer.from('{"v":1}\n2'));
  short.toEnd();
  const piece = { ...PLAN.pieces[0]!, contentHash: undefined };
  const moved = { ...piece, name: '/in/b.ndjson', from: 20, prefix: short.prefix, moved: '/in/old.ndjson' };
  const gone: Piece = { source: 'events', name: '/in/old.ndjson', version: '', from: 0, to: 0, done: true };
  const plan: Plan = { ...PLAN, pieces: [long, gone, moved] };
  const bytes = matches('plan-v1-prefix.json', encodePlan(plan).bytes);
  expect(decodePlan(bytes, 'golden', 7).plan).toEqual(plan);
});

it('a plan behind a flush', () => {
  const plan: Plan = {
    n: 8,
    kind: 'empty',
    pieces: [],
    segment: null,
    counts: { rows: 0, dropped: 0, quarantined: 0 },
    inputs: {},
    watermark: 1357040940000,
    previousWatermark: 1357030140000,
    closedTo: 1357040940000,
    processingTime: 1700000000002,
    headHash: '0123456789abcdef0123456789abcdef',
    previousHash: 'fedcba9876543210fedcba9876543210',
    attempt: '00112233445566778899',
  };
  const bytes = matches('plan-v1-closed.json', encodePlan(plan).bytes);
  expect(decodePlan(bytes, 'golden', 8).plan).toEqual(plan);
});

it('a plan of messages', () => {
  const message = { version: '', from: 0, done: true, message: true } as const;
  const pieces: Piece[] = [
    { ...message, source: 'events', name: 'message 2c7f9d1e-8a0b-4c3d-9e5f-60718293a4b5', to: 10 },
    { ...message, source: '', name: 'message 00112233445566778899', to: 0 },
  ];
  const plan: Plan = { ...PLAN, pieces };
  const bytes = matches('plan-v1-messages.json', encodePlan(plan).bytes);
  expect(decodePlan(bytes, 'golden', 7).plan).toEqual(plan);
  const row = { version: '', next: 10, done: true, plannedMs: PLAN.processingTime };
  const rows = planChanges(plan).filter(({ key }) => key.includes('2c7f9d1e'));
  expect(rows.map(({ value }) => Buffer.from(value!).toString('hex'))).toEqual([
    Buffer.from(packValue(row)).toString('hex'),
  ]);
});

it('a plan with its segment behind it', () => {
  const segment = encodeSegment([INPUT, { edges: [], quarantined: [], objects: [] }]);
  const plan: Plan = { ...PLAN, segment: segment.hash, segmentBytes: segment.bytes.length };
  const bytes = matches('plan-v2.bin', encodePlanObject(encodePlan(plan), segment.bytes));
  const found = decodePlanObject(bytes, 'golden', 7)!;
  expect(found.stored.plan).toEqual(plan);
  expect(found.stored.hash).toBe(contentHash(encodePlan(plan).bytes));
  expect(plainInput(decodeSegment(found.segment!, 'golden').input(0))).toEqual(plainInput(INPUT));
});

it('a row of the planner of before, which knows a message for good', () => {
  const key = Buffer.from('0007066576656e747300066d65737361676520370000', 'hex').toString('latin1');
  expect(key.slice(1)).toBe(objectKey('events', 'message 7'));
  const before =
    '89a776657273696f6ea0a46e6578740aa8706f736974696f6ed40000a4646f6e65c3a473697a65d40000a76d74696d654d73d40000ab636f6e74656e7448617368d40000a6707265666978d40000a56d6f766564d40000';
  expect(unpackValue(Buffer.from(before, 'hex'))).toEqual({ version: '', next: 10, done: true });
  expect(plannerExpiry(key, Buffer.from(before, 'hex'))).toBeUndefined();
  const now = packValue({ version: '', next: 10, done: true, plannedMs: 1_700_000_000_002 });
  expect(plannerExpiry(key, now)).toBe(1_702_592_000_002);
});

it('a segment', () => {
  const { bytes, hash } = encodeSegment([INPUT, { edges: [], quarantined: [], objects: [] }]);
  const segment = decodeSegment(matches('segment-v2.bin', bytes), 'golden');
  expect(segment.hash).toBe(hash);
  expect(plainInput(segment.input(0))).toEqual(plainInput(INPUT));
  expect(segment.keys(0)).toEqual([undefined, ['\x06a\x00', '\x06b\x00']]);
  expect(segment.input(1)).toEqual({ edges: [], quarantined: [], objects: [] });
});

it('a segment of version 1, which is refused by its number', () => {
  const before = golden('segment-v1.bin', new Uint8Array(0));
  expect(() => decodeSegment(before, 'seg/3')).toThrow(expect.objectContaining({ code: 'OLDER_FORMAT' }));
});

it('a log entry', () => {
  const writer = new ByteWriter(64);
  const keys = KeyColumn.of(['\x06b\x00', '\x06a\x00', '\x06cc\x00', '\x06d\x00']);
  writeDeleted(writer, { prefix: '\x00', keys, rows: [0] });
  writePacked(writer, { prefix: '\x00', keys, rows: [1] }, [packValue([1, 'x', null])]);
  const prefix = addressPrefix(1, 'timed', 1357040940000);
  const numbers = Float64Array.of(0, 0, 0, 0, 0, 0, 0, 0, 300, 7, 0.5, -0, 70_000, 8, -1, 3);
  writeNumbers(writer, { prefix, keys, rows: [2, 3] }, numbers, 4);
  const header: LogHeader = {
    n: 3,
    attempt: '00112233445566778899',
    planHash: '0123456789abcdef0123456789abcdef',
    previousHash: 'fedcba9876543210fedcba9876543210',
    publishedThrough: 2,
    outputs: ['sums', '_quarantine'],
    nextPartitions: 1,
    changes: 4,
    forgotten: [[1, 1357030140000]],
    counts: { rows: 4, late: 1, skipped: 0, quarantined: 1, emitted: 1 },
    reads: { memory: 3, lmdb: 2, warm: 0, store: 1, requests: 1 },
  };
  const outputs = [Buffer.from('{"key":"a","n":1}\n'), new Uint8Array(0)];
  const { bytes } = encodeLogEntry(header, writer.view(), outputs, [encodeInput(INPUT)]);
  const entry = decodeLogEntry(matches('log-entry-v4.bin', bytes), 'golden');
  expect(entry.header).toMatchObject(header);
  expect(
    [...entry.changes()].map(({ key, value }) => [key, value === null ? null : Buffer.from(value).toString('hex')]),
  ).toEqual([
    ['\x00\x06a\x00', '9301a178c0'],
    ['\x00\x06b\x00', null],
    [`${prefix}\x06cc\x00`, '94cd012c07cb3fe0000000000000d40300'],
    [`${prefix}\x06d\x00`, '94ce0001117008ff03'],
  ]);
  expect(Buffer.from(entry.output(0)).toString()).toBe('{"key":"a","n":1}\n');
  expect(Buffer.from(entry.next(0)).equals(Buffer.from(encodeInput(INPUT)))).toBe(true);
});

it('a log entry of a flush', () => {
  const header: LogHeader = {
    n: 7,
    attempt: '00112233445566778899',
    planHash: '0123456789abcdef0123456789abcdef',
    previousHash: 'fedcba9876543210fedcba9876543210',
    publishedThrough: 6,
    outputs: ['sums'],
    nextPartitions: 0,
    changes: 0,
    counts: { rows: 0, late: 0, skipped: 0, quarantined: 0, emitted: 0 },
    reads: { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 },
    closedTo: 1357040940000,
  };
  const { bytes } = encodeLogEntry(header, new Uint8Array(0), [new Uint8Array(0)], []);
  expect(decodeLogEntry(matches('log-entry-v4-closed.bin', bytes), 'golden').header).toMatchObject(header);
});

it('a log entry of a job whose columns have changed', () => {
  const header: LogHeader = {
    n: 7,
    attempt: '00112233445566778899',
    planHash: '0123456789abcdef0123456789abcdef',
    previousHash: 'fedcba9876543210fedcba9876543210',
    publishedThrough: 6,
    outputs: ['sums'],
    nextPartitions: 0,
    changes: 0,
    counts: { rows: 0, late: 0, skipped: 0, quarantined: 0, emitted: 0 },
    reads: { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 },
    layoutVersion: 3,
  };
  const { bytes } = encodeLogEntry(header, new Uint8Array(0), [new Uint8Array(0)], []);
  expect(decodeLogEntry(matches('log-entry-v4-layout.bin', bytes), 'golden').header).toMatchObject(header);
});

it.each([1, 2, 3])('a log entry of version %i, which is refused by its number', (version) => {
  const before = golden(`log-entry-v${version}.bin`, new Uint8Array(0));
  for (const decode of [decodeLogEntry, decodeLogHeader]) {
    expect(() => decode(before, 'log/3')).toThrow(expect.objectContaining({ code: 'OLDER_FORMAT' }));
    expect(() => decode(before, 'log/3')).toThrow(`log/3 has format version ${version}, and this Misa reads from 4 on`);
  }
});

it('a warm pack', () => {
  const entries = [
    { key: '\x00\x06a\x00', value: packValue([1]) },
    { key: '\x00\x06b\x00', value: null },
  ];
  const bytes = matches('warm-pack-v2.bin', encodeWarmPack(5, 9, entries));
  expect(
    [...decodeWarmPack(bytes, 'golden', 5, 9)!].map(([key, value]) => [
      key,
      value && Buffer.from(value).toString('hex'),
    ]),
  ).toEqual([
    ['\x00\x06a\x00', '9101'],
    ['\x00\x06b\x00', null],
  ]);
  expect(decodeWarmPack(bytes, 'golden', 6, 9)).toBeUndefined();
  expect(decodeWarmPack(bytes, 'golden', 5, 8)).toBeUndefined();
});

it('a warm pack of version 1, which is refused by its number', () => {
  const before = golden('warm-pack-v1.bin', new Uint8Array(0));
  expect(() => decodeWarmPack(before, 'warm/5-9', 5, 9)).toThrow(expect.objectContaining({ code: 'OLDER_FORMAT' }));
});

function sameJobFile(golden: string, file: JobFile): void {
  const bytes = matches(golden, encodeEnvelope('job', 1, file));
  expect(decodeEnvelope('job', 1, bytes, 'golden')).toEqual(file);
}

it('a job file', () => {
  const file: JobFile = {
    name: 'departures',
    id: '00112233445566778899',
    epoch: 1,
    partitions: 4,
    stages: 1,
    outputMode: 'append',
    commit: 'async',
    outputs: [
      { name: 'hourly', stage: 0 },
      { name: 'late', stage: 0 },
    ],
    layout: ['s0/o0 window#0 windows timed'],
  };
  sameJobFile('job-v1.json', file);
});

it('a job file that says what its outputs are', () => {
  const file: JobFile = {
    name: 'words',
    id: '00112233445566778899',
    epoch: 1,
    partitions: 1,
    stages: 1,
    outputMode: 'complete',
    commit: 'async',
    outputs: [
      { name: 'counts', stage: 0, kind: 'table' },
      { name: 'raw', stage: 0, kind: 'append' },
    ],
    layout: ['s0/o0 aggregate n:count table groups keyed'],
  };
  sameJobFile('job-v1-kinds.json', file);
});

it('a job file whose columns have changed', () => {
  const file: JobFile = {
    name: 'words',
    id: '00112233445566778899',
    epoch: 1,
    partitions: 1,
    stages: 1,
    outputMode: 'update',
    commit: 'async',
    outputs: [{ name: 'out', stage: 0, kind: 'update' }],
    layout: ['s0/o0 aggregate n:count,~s:sum,"the mean":avg table groups keyed'],
    layoutVersion: 3,
  };
  sameJobFile('job-v1-layout.json', file);
});

it('a job file that has noted types of keys', () => {
  const file: JobFile = {
    name: 'words',
    id: '00112233445566778899',
    epoch: 1,
    partitions: 1,
    stages: 1,
    outputMode: 'append',
    commit: 'async',
    outputs: [{ name: 'out', stage: 0, kind: 'append' }],
    layout: ['s0/o0 aggregate n:count table groups keyed'],
    keyTypes: { 's0/o0': ['text', '[text, number]'] },
  };
  sameJobFile('job-v1-keys.json', file);
});

it('a cursor of a directory with folders', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-golden-'));
  const file = { name: 'departures', id: '00112233445566778899' } as JobFile;
  const cursor: Cursor = {
    shape: {
      layout: 'folders',
      format: 'parquet',
      withBatch: true,
      table: true,
      tableKey: ['key'],
      columns: [['note', 'json']],
    },
    through: 0,
    outputs: [
      {
        name: 'hourly',
        through: 42,
        columns: [
          ['key', 'text'],
          ['n', null],
        ],
      },
      { name: '_quarantine', through: 7 },
    ],
  };
  await writeCursor(directory, file, cursor);
  writeFileSync(
    path.join(directory, '.misa-cursor'),
    matches('cursor-v2.json', readFileSync(path.join(directory, '.misa-cursor'))),
  );
  expect(await readCursor(directory, file)).toEqual(cursor);
  rmSync(directory, { recursive: true });
});

it('the state of a table', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-golden-'));
  const name = path.join(directory, '.misa-table-hourly');
  const lines = ['{"key":"ä","n":1}', '{"key":"b","n":2}'];
  const header = {
    through: 42,
    columns: [
      ['key', 'text'],
      ['n', 'integer'],
    ],
  } as const;
  await writeTableState(name, header, 2, [Buffer.from(`${lines.join('\n')}\n`)]);
  writeFileSync(name, matches('table-v1.ndjson', readFileSync(name)));
  expect(await readTableState(name)).toEqual({ ...header, lines });
  rmSync(directory, { recursive: true });
});

it('a cursor', () => {
  const cursor = { job: 'departures', id: '00112233445566778899', through: 42 };
  const bytes = matches('cursor-v1.json', encodeEnvelope('cursor', 1, cursor));
  expect(decodeEnvelope('cursor', 1, bytes, 'golden')).toEqual(cursor);
});

it('the cursor of a consumer', () => {
  const body = { through: 17, nonce: '0123456789abcdef0123', begun: true };
  const bytes = matches('consumer-v2.json', encodeEnvelope('consumer', 2, body));
  expect(decodeEnvelope('consumer', 2, bytes, 'consumer')).toEqual(body);
});

it('what sinks have taken, as a note and put together', () => {
  const taken = [
    ['hourly', 0, 41],
    ['_quarantine', 0, 41],
  ];
  const note = matches('taken-v1.json', encodeEnvelope('taken', 1, { taken }));
  expect(decodeEnvelope('taken', 1, note, 'golden')).toEqual({ taken });
  const places = {
    'hourly/p0': {
      taken: [
        [0, 17],
        [19, 41],
      ],
      missing: { n: 18, sinceMs: 1_700_000_000_000 },
      again: { 18: { sent: 2, sentMs: 1_700_014_400_000 } },
    },
    '_quarantine/p0': { taken: [[0, 41]] },
  };
  const whole = matches('delivered-v1.json', encodeEnvelope('delivered', 1, { places }));
  expect(decodeEnvelope('delivered', 1, whole, 'golden')).toEqual({ places });
});

it('tries of a batch that was tried before', () => {
  const body = {
    starts: [
      { n: 42, endsMs: 1_700_000_070_000 },
      { n: 42, endsMs: 1_700_000_430_000 },
    ],
  };
  const bytes = matches('starts-v1.json', encodeEnvelope('starts', 1, body));
  expect(decodeEnvelope('starts', 1, bytes, 'golden')).toEqual(body);
});

it('what maintain remembers', () => {
  const stuck = { n: 42, sinceMs: 1_700_000_000_000, sent: 3, sentMs: 1_700_000_180_000 };
  const body = {
    batches: { 's0/p1': stuck },
    folds: { planner: { ...stuck, n: 36 } },
    collect: { next: 17, begunMs: 1_700_000_000_000, left: false, failed: true, cleanMs: 1_699_999_400_000 },
  };
  const bytes = matches('maintain-v1.json', encodeEnvelope('maintain', 1, body));
  expect(decodeEnvelope('maintain', 1, bytes, 'golden')).toEqual(body);
});

it('the mark of results that are deleted', () => {
  const body = { through: 17, retentionMs: 604_800_000 };
  const bytes = matches('deleted-results-v1.json', encodeEnvelope('deleted-results', 1, body));
  expect(decodeEnvelope('deleted-results', 1, bytes, 'golden')).toEqual(body);
});

it('SSTs that wait to be deleted', () => {
  const unnamed = new Map([
    ['0123456789abcdef0123', 1_700_000_000_000],
    ['123456789abcdef01234', 1_700_000_000_000],
    ['23456789abcdef012345', 1_700_000_060_000],
  ]);
  const bytes = matches('unnamed-v1.json', encodeUnnamed(unnamed));
  expect(decodeUnnamed(bytes, 'job/e1/s0/p0/unnamed')).toEqual(unnamed);
});
