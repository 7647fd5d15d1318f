/** Events as they arrive where each is on its way for a while: in another order, none of them later than the longest delay. */
import { Dice } from './dice.ts';
import type { NexmarkEvent } from './generator.ts';

interface OnItsWay {
  readonly event: NexmarkEvent;
  readonly arrives: number;
}

/**
 * @param events in order of time
 * @param delay less than so many ms each, so that a watermark that stays as far behind makes none of them late
 */
export function* shuffled(events: Iterable<NexmarkEvent>, delay: number, seed = 1): Generator<NexmarkEvent> {
  // A heap: what arrives first is at 0, and nothing arrives before what is at half its place.
  const heap: OnItsWay[] = [];
  let n = 0;
  for (const event of events) {
    const now = event.row.dateTime;
    while (heap.length > 0 && heap[0]!.arrives <= now) yield takeFirst(heap);
    insert(heap, { event, arrives: now + Math.floor(new Dice(seed, n++).next() * delay) });
  }
  while (heap.length > 0) yield takeFirst(heap);
}

function insert(heap: OnItsWay[], item: OnItsWay): void {
  let at = heap.length;
  for (let parent = (at - 1) >> 1; at > 0 && heap[parent]!.arrives > item.arrives; parent = (at - 1) >> 1) {
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = item;
}

function takeFirst(heap: OnItsWay[]): NexmarkEvent {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first.event;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && heap[child + 1]!.arrives < heap[child]!.arrives) child++;
    if (heap[child]!.arrives >= last.arrives) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first.event;
}
