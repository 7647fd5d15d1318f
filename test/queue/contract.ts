/** What every queue must do. Each service that is a queue runs it. Tests of a suite run side by side: most of them wait. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OutgoingMessage, Queue, ReceivedMessage } from '../../lib/queue/queue.ts';
import { systemClock } from '../../lib/util/clock.ts';

export interface QueueShape {
  readonly fifo?: boolean;
  /** Of messages that are received without their own. Default 30. */
  readonly visibilitySeconds?: number;
  /** A message received so often and not deleted goes to the queue of dead letters. */
  readonly maxReceives?: number;
}

export interface MadeQueue {
  readonly queue: Queue;
  readonly deadLetters?: Queue | undefined;
}

export interface QueueMaker {
  /** A new queue, empty. */
  make(shape?: QueueShape): Promise<MadeQueue>;
  close(): Promise<void>;
}

/** Receives and deletes until so many have come (or nothing comes for `waitSeconds`). */
export async function takeAll(queue: Queue, count: number, waitSeconds = 3): Promise<ReceivedMessage[]> {
  const all: ReceivedMessage[] = [];
  while (all.length < count) {
    const some = await queue.receive({ max: 10, waitSeconds });
    if (some.length === 0) break;
    await queue.delete(some.map((message) => message.receipt));
    all.push(...some);
  }
  return all;
}

const bodiesOf = (messages: readonly ReceivedMessage[]): string[] => messages.map(({ body }) => body);
const numbered = (count: number, more: Partial<OutgoingMessage> = {}): OutgoingMessage[] =>
  Array.from({ length: count }, (_, i) => ({ body: `message ${i}`, ...more }));

export function queueContract(name: string, open: () => Promise<QueueMaker>): void {
  describe.concurrent(`${name}: the queue contract`, () => {
    let maker: QueueMaker;
    beforeAll(async () => {
      maker = await open();
    });
    afterAll(() => maker.close());
    const make = async (shape?: QueueShape): Promise<Queue> => (await maker.make(shape)).queue;

    it('gives back what was sent, with its attributes, received once', async () => {
      const queue = await make();
      const bodies = [
        'x',
        '{"a":[1,2]}',
        'line\nline\r\n\ttab',
        'näme 漢字 🛫 </xml> &amp; "\'',
        ' spaces ',
        'a+b%20c=d&e',
      ];
      const attributes = { source: 'flights', sender: 'näme 🛫' };
      await queue.send(bodies.map((body) => ({ body, attributes })));
      const received = await takeAll(queue, bodies.length);
      expect(bodiesOf(received).sort()).toEqual([...bodies].sort());
      for (const message of received) expect(message).toMatchObject({ attributes, receiveCount: 1 });
      expect(new Set(received.map(({ id }) => id)).size).toBe(bodies.length);
    });

    it('takes no messages at all, and finds none', async () => {
      const queue = await make();
      await queue.send([]);
      await queue.delete([]);
      expect(await queue.receive({ max: 10, waitSeconds: 0 })).toEqual([]);
    });

    it('sends and deletes more than one batch', async () => {
      const queue = await make();
      await queue.send(numbered(25));
      const received: ReceivedMessage[] = [];
      while (received.length < 25) received.push(...(await queue.receive({ max: 10, waitSeconds: 3 })));
      await queue.delete(received.map((message) => message.receipt));
      expect(bodiesOf(received).sort()).toEqual(bodiesOf(numbered(25) as unknown as ReceivedMessage[]).sort());
      expect(await queue.depth()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    });

    it('sends messages that together are larger than a batch may be', async () => {
      const queue = await make();
      const bodies = Array.from({ length: 11 }, (_, i) => `${i}${'ä'.repeat(125_000)}`);
      await queue.send(bodies.map((body) => ({ body })));
      expect(bodiesOf(await takeAll(queue, 11)).sort()).toEqual([...bodies].sort());
    });

    it('takes a message of 1 MiB, and refuses a larger one before it sends any', async () => {
      const queue = await make();
      const attributes = { a: 'b'.repeat(100) };
      const body = 'x'.repeat((1 << 20) - 'aString'.length - 100);
      await queue.send([{ body, attributes }]);
      const tooLarge = queue.send([{ body: 'small' }, { body: `${body}y`, attributes }]);
      await expect(tooLarge).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE', retryable: false, done: 0, of: 2 });
      const received = await takeAll(queue, 2, 1);
      expect(received.map((message) => message.body === body)).toEqual([true]);
    });

    it('FIFO: keeps the order in each group, over many batches', async () => {
      const queue = await make({ fifo: true });
      const sent = Array.from({ length: 45 }, (_, i) => ({ body: `${i}`, group: `g${i % 3}`, dedupId: `d${i}` }));
      await queue.send(sent);
      const received = bodiesOf(await takeAll(queue, 45)).map(Number);
      expect(received).toHaveLength(45);
      for (const group of [0, 1, 2]) {
        const ofGroup = received.filter((n) => n % 3 === group);
        expect(ofGroup).toEqual([...ofGroup].sort((a, b) => a - b));
      }
    });

    it('FIFO: a message in flight holds back its group, and no other', async () => {
      const queue = await make({ fifo: true });
      const message = (body: string, group: string): OutgoingMessage => ({ body, group, dedupId: body });
      await queue.send([message('a1', 'a'), message('a2', 'a'), message('b1', 'b')]);
      const [first] = await queue.receive({ max: 1, waitSeconds: 3 });
      const others = await takeAll(queue, 2, 1);
      // Which group comes first is the queue's business.
      if (first!.body === 'a1') expect(bodiesOf(others)).toEqual(['b1']);
      else expect(bodiesOf(others)).toEqual(['a1', 'a2']);
      await queue.delete([first!.receipt]);
      expect(bodiesOf(await takeAll(queue, 1, 1))).toEqual(first!.body === 'a1' ? ['a2'] : []);
    });

    it('FIFO: drops a second message of the same id, even after the first is gone; not one of another', async () => {
      const queue = await make({ fifo: true });
      const message = (dedupId: string): OutgoingMessage => ({ body: `of ${dedupId}`, group: 'g', dedupId });
      await queue.send([message('1'), message('1')]);
      await queue.send([message('1')]);
      expect(bodiesOf(await takeAll(queue, 2, 1))).toEqual(['of 1']);
      await queue.send([message('1'), message('2')]);
      expect(bodiesOf(await takeAll(queue, 2, 1))).toEqual(['of 2']);
    });

    it('shows a message again at once when its visibility is set to 0, and counts', async () => {
      for (const fifo of [false, true]) {
        const queue = await make({ fifo });
        await queue.send([{ body: 'x', ...(fifo ? { group: 'g', dedupId: '1' } : {}) }]);
        for (const receiveCount of [1, 2, 3]) {
          const [message] = await queue.receive({ max: 10, waitSeconds: 3 });
          expect(message).toMatchObject({ body: 'x', receiveCount });
          await queue.changeVisibility(message!.receipt, 0);
        }
      }
    });

    it('shows a message again after its visibility, unless it is prolonged or the message deleted', async () => {
      const queue = await make();
      await queue.send([{ body: 'short' }, { body: 'long' }, { body: 'deleted' }]);
      const all: ReceivedMessage[] = [];
      // Long enough that the next requests come in time on a busy machine, too.
      while (all.length < 3) all.push(...(await queue.receive({ max: 10, waitSeconds: 3, visibilitySeconds: 8 })));
      const receiptOf = (body: string): string => all.find((message) => message.body === body)!.receipt;
      await queue.changeVisibility(receiptOf('long'), 60);
      await queue.delete([receiptOf('deleted')]);
      await systemClock.sleep(8_200);
      expect(bodiesOf(await takeAll(queue, 3, 2))).toEqual(['short']);
    });

    it('holds a delayed message back', async () => {
      const queue = await make();
      await queue.send([{ body: 'later', delaySeconds: 8 }, { body: 'now' }]);
      expect(bodiesOf(await takeAll(queue, 1, 0))).toEqual(['now']);
      expect(await queue.depth()).toMatchObject({ visible: 0, delayed: 1 });
      expect(await queue.receive({ max: 10, waitSeconds: 0 })).toEqual([]);
      expect(bodiesOf(await takeAll(queue, 1, 15))).toEqual(['later']);
    });

    it('moves a message that was received too often to the dead letters, as it was', async () => {
      for (const fifo of [false, true]) {
        const { queue, deadLetters } = await maker.make({ fifo, maxReceives: 2 });
        const attributes = { source: 'flights' };
        await queue.send([{ body: 'poison', attributes, ...(fifo ? { group: 'g', dedupId: '1' } : {}) }]);
        for (const _ of [1, 2]) {
          const [message] = await queue.receive({ max: 1, waitSeconds: 3 });
          await queue.changeVisibility(message!.receipt, 0);
        }
        expect(await queue.receive({ max: 1, waitSeconds: 1 })).toEqual([]);
        const [dead] = await deadLetters!.receive({ max: 1, waitSeconds: 3 });
        expect(dead).toMatchObject({ body: 'poison', attributes });
      }
    });

    it('tells its depth', async () => {
      const queue = await make();
      await queue.send([...numbered(5), { body: 'later', delaySeconds: 60 }]);
      const [first] = await queue.receive({ max: 1, waitSeconds: 3 });
      expect(await queue.depth()).toEqual({ visible: 4, inFlight: 1, delayed: 1 });
      await queue.delete([first!.receipt]);
      expect(await queue.depth()).toEqual({ visible: 4, inFlight: 0, delayed: 1 });
    });

    it('waits for a message that is still to come, and stops waiting when aborted', async () => {
      const queue = await make();
      const received = queue.receive({ max: 10, waitSeconds: 10 });
      await systemClock.sleep(300);
      await queue.send([{ body: 'x' }]);
      expect(bodiesOf(await received)).toEqual(['x']);
      const reason = new Error('the deadline has passed');
      const abort = new AbortController();
      // Without the abort it would be answered, with nothing.
      const waiting = queue.receive({ max: 10, waitSeconds: 10, signal: abort.signal });
      await systemClock.sleep(100);
      abort.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      await expect(queue.send([{ body: 'y' }], { signal: abort.signal })).rejects.toBe(reason);
    });

    it('refuses what is no receipt', async () => {
      const queue = await make();
      for (const act of [() => queue.changeVisibility('no receipt', 0), () => queue.delete(['no receipt'])]) {
        await expect(act()).rejects.toMatchObject({ name: 'QueueError', code: 'RECEIPT_EXPIRED', retryable: false });
      }
    });
  });
}
