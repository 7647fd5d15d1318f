/**
 * What is taken of an object, and where, does not depend on how its bytes come, nor on where a reading began: batches are cut
 * by it, so a job would have other late rows in another place.
 */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { S3Connection } from '../../lib/object-store/s3-client.ts';
import { InputCursor } from '../../lib/plan/input-cursor.ts';
import type { Piece } from '../../lib/plan/plan.ts';
import { SegmentBuilder } from '../../lib/plan/segment-builder.ts';
import { fileRef, type InputObject } from '../../lib/source/index.ts';
import { s3InputObject } from '../../lib/source/s3-object.ts';
import { type Random, seededRandom } from '../../lib/util/random.ts';
import { FastClock } from '../helpers/engine.ts';
import { copyJob } from '../helpers/folder.ts';
import { makeFile } from '../source/helpers.ts';

const job = copyJob();
const ROWS = 5000;
const text = Buffer.from(
  Array.from({ length: ROWS }, (_, id) => `${JSON.stringify({ id, text: 'x'.repeat((id * 7919) % 400) })}\n`).join(''),
);

/** An object of S3 that comes in parts of any size. */
function inParts(key: string, body: Buffer, random: Random): InputObject {
  async function* parts(from: number): AsyncGenerator<Buffer> {
    for (let at = from; at < body.length; ) {
      const size = 1 + Math.floor(random.next() * (random.next() < 0.5 ? 5000 : 500_000));
      yield body.subarray(at, at + size);
      at += size;
    }
  }
  class GetObjectCommand {
    readonly range: string | undefined;
    constructor({ Range }: { Range?: string }) {
      this.range = Range;
    }
  }
  const send = async ({ range }: GetObjectCommand): Promise<unknown> => ({
    ETag: '"v1"',
    ContentLength: body.length,
    ContentRange: `bytes 0-0/${body.length}`,
    Body: parts(Number(/=(\d+)-/.exec(range ?? '=0-')![1])),
  });
  const s3 = async (): Promise<S3Connection> =>
    ({ sdk: { GetObjectCommand }, client: { send } }) as unknown as S3Connection;
  return s3InputObject({ s3, bucket: 'b', key, etag: 'v1', size: body.length, clock: new FastClock(), random });
}

interface Took {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Takes all of it. @param again chance that the reading begins anew, where a plan would say that it stands */
async function takeAll(
  object: Parameters<typeof InputCursor.open>[0],
  max: (row: number) => number,
  again: () => boolean = () => false,
): Promise<Took[]> {
  const options = { source: 0, sourceName: 'rows', name: 'a', version: 'v1' };
  let cursor = await InputCursor.open(object, options);
  const took: Took[] = [];
  let last: Piece | undefined;
  while (!cursor.ended) {
    const { piece, bytes } = await cursor.take(new SegmentBuilder(job), max(last?.to ?? 0));
    took.push({ from: piece.from, to: piece.to, bytes });
    last = piece;
    if (!again()) continue;
    await cursor.close();
    cursor = await InputCursor.open(object, { ...options, from: { next: piece.to, position: piece.toPosition } });
  }
  await cursor.close();
  return took;
}

describe.each(['a.ndjson', 'a.ndjson.gz'])('of %s', (name) => {
  it('the same is taken, however its bytes come and wherever reading begins', async () => {
    const body = name.endsWith('.gz') ? gzipSync(text) : text;
    const file = await fileRef(await makeFile(name, body));
    await fc.assert(
      fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 100, max: 3000 }), async (seed, maxRows) => {
        // As batches of so many rows are cut.
        const max = (row: number): number => maxRows - (row % maxRows);
        const wanted = await takeAll(file, max);
        expect(wanted.at(-1)!.to).toBe(ROWS);
        const random = seededRandom(seed);
        const found = await takeAll(inParts(name, body, random), max, () => random.next() < 0.3);
        expect(found).toEqual(wanted);
      }),
      { numRuns: 10 },
    );
  });
});
