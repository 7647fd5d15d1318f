/** What the thread that reads sends: of random requests, blocks and rows come as they are in the SST, however they lie in its pieces of memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { type BlocksCame, FAILED, PIECE_BYTES } from '../../lib/embedded/block-messages.ts';
import { BlockSender } from '../../lib/embedded/block-sender.ts';
import { CorruptionError } from '../../lib/errors.ts';
import { ABSENT, Block, DELETED, FOUND } from '../../lib/sst/block.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import { plainBlock } from '../../lib/sst/compression.ts';
import { SstIndex } from '../../lib/sst/sst-index.ts';
import type { BlocksRequest } from '../../lib/state/block-source.ts';
import { SearchedBlocks } from '../../lib/state/searched-blocks.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { soughtIn } from '../helpers/searching-source.ts';

const KEYS = 3000;
const keyOf = (i: number): string => `key ${String(i).padStart(6, '0')}`;

interface Written {
  readonly body: Uint8Array;
  readonly index: SstIndex;
}

/** Of the even keys, each seventh is deleted; the odd ones are not there. Values of up to 1,500 bytes. */
function written(seed: number): Written {
  const random = seededRandom(seed);
  const builder = new SstBuilder({ id: 'one', compression: 'lz4' });
  for (let i = 0; i < KEYS; i += 2) {
    const length = Math.floor(random.next() ** 3 * 1500);
    const value = Buffer.alloc(length, `${i} of ${random.next()}`);
    builder.add(keyOf(i), i % 7 === 0 ? null : value);
  }
  const { info, body } = builder.finish();
  return { body, index: SstIndex.decode(info, body.subarray(info.indexOffset)) };
}

const { body, index } = written(1);
const plains = Array.from({ length: index.blockCount }, (_, i) => {
  const { offset, length } = index.block(i);
  return plainBlock(body.subarray(offset, offset + length), `block ${i}`);
});
const keys = KeyColumn.of(Array.from({ length: KEYS }, (_, i) => keyOf(i)));
const keysOf: number[][] = plains.map(() => []);
for (let i = 0; i < KEYS; i++) {
  const block = index.findBlock(keys, i, -1);
  if (block >= 0) keysOf[block]!.push(i);
}

/** A request for blocks one behind the other; of each some keys, or the block itself. */
interface Wanted {
  readonly first: number;
  readonly inBlock: readonly (readonly number[] | undefined)[];
  readonly isDamaged: boolean;
}

const wanted: fc.Arbitrary<Wanted> = fc
  .record({
    first: fc.nat({ max: plains.length - 1 }),
    picks: fc.array(fc.option(fc.array(fc.nat(), { minLength: 1, maxLength: 20 })), { minLength: 1, maxLength: 90 }),
    isDamaged: fc.boolean(),
  })
  .map(({ first, picks, isDamaged }) => ({
    first,
    isDamaged: isDamaged && first % 3 === 0,
    inBlock: picks.slice(0, plains.length - first).map((pick, i) => {
      const there = keysOf[first + i]!;
      if (pick === null || there.length === 0) return undefined;
      return [...new Set(pick.map((n) => there[n % there.length]!))].sort((a, b) => a - b);
    }),
  }));

function requestOf({ first, inBlock }: Wanted): BlocksRequest {
  const numbers = inBlock.map((_, i) => first + i);
  const ranges = numbers.map((i) => index.block(i));
  const { offset } = ranges[0]!;
  const last = ranges.at(-1)!;
  return {
    object: 'one',
    offset,
    length: last.offset + last.length - offset,
    blocks: {
      numbers,
      places: Float64Array.from(ranges.flatMap((range) => [range.offset, range.length])),
      sought: { keys, inBlock },
    },
    first: 0,
    last: numbers.length,
    hedged() {},
    came() {},
    searched() {},
    failed() {},
  };
}

/** What a block says of a key. */
function answerOf(block: number, key: number): string {
  const open = new Block().open(plains[block]!);
  const found = open.find(keys, key);
  return found === FOUND ? `found ${open.bytes.toString('latin1', open.valueStart, open.valueEnd)}` : textOf(found);
}

const textOf = (found: number): string => (found === DELETED ? 'deleted' : found === ABSENT ? 'absent' : 'found');

function checkAnswer({ first, inBlock }: Wanted, found: SearchedBlocks, isRead: (i: number) => boolean): void {
  for (const [i, sought] of inBlock.entries()) {
    const plain = found.block(sought?.length ?? 0);
    expect(plain === undefined).toBe(sought !== undefined);
    if (plain !== undefined) expect(plain.equals(plains[first + i]!), `block ${first + i}`).toBe(true);
    // Whoever has no use for a block's rows need not take them.
    if (!isRead(i)) continue;
    for (const key of sought ?? []) {
      const row = found.row();
      const text = row === FOUND ? `found ${found.bytes.toString('latin1', found.valueStart, found.valueEnd)}` : '';
      expect(text || textOf(row)).toBe(answerOf(first + i, key));
    }
  }
}

async function check(all: readonly (readonly Wanted[])[]): Promise<void> {
  const sender = new BlockSender((message) => {
    take(message);
    new Uint8Array(message.memory).fill(255);
    if (message.memory.byteLength === PIECE_BYTES) sender.takeBack(message.memory);
  });
  const requests = all.flat();
  const answered = new Set<number>();
  const take = ({ numbers, memory }: BlocksCame): void => {
    const came = new SearchedBlocks(numbers, memory);
    while (!came.isOver) {
      const id = came.number();
      expect(came.number()).toBe(0);
      const count = came.number();
      const request = requests[id]!;
      expect(answered.has(id), 'answered once').toBe(false);
      answered.add(id);
      expect(count === FAILED).toBe(request.isDamaged);
      if (count !== FAILED) checkAnswer(request, came, (i) => (id + i) % 5 !== 0);
    }
  };
  let id = 0;
  for (const turn of all) {
    for (const request of turn) {
      const asked = soughtIn(requestOf(request), id++);
      const { offset, length } = requestOf(request);
      const stored = Uint8Array.from(body.subarray(offset, offset + length));
      // Of the last block, so that what was before it is not sent either.
      if (request.isDamaged) stored[length - 1]! ^= 1;
      try {
        sender.add(asked, stored);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptionError);
        sender.addFailed(asked);
      }
    }
    await new Promise(setImmediate);
  }
  expect(answered.size).toBe(requests.length);
}

describe('what the thread that reads sends', () => {
  it('is what lies in the SST, in one piece of memory or several', async () => {
    const turn = fc.array(wanted, { minLength: 1, maxLength: 25 });
    await fc.assert(fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 3 }), check), { numRuns: 60 });
  });

  it('blocks that fill a piece to the last byte, behind rows', async () => {
    const rows = keysOf.map((there) => there.slice(0, 20));
    const picks = Array.from({ length: plains.length }, (_, i) => (i % 3 === 0 ? undefined : rows[i]!));
    const inBlock = picks.map((pick) => (pick?.length === 0 ? undefined : pick));
    await check([Array.from({ length: 40 }, (_, i) => ({ first: i, inBlock: inBlock.slice(i), isDamaged: false }))]);
  });
});
