/**
 * What `maintain` knows of its earlier runs: since when a partition has been stuck, how often it was sent for, where garbage
 * collection goes on. An environment may be new each time, so it is one small object of the job. Advisory: when it is lost or
 * damaged, what is stuck is sent for once more and collection begins at the first partition.
 */
import { MisaError } from '../errors.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';
import type { Trace } from '../util/trace.ts';

const VERSION = 1;
const MINUTE_MS = 60_000;
const MAX_WAIT_MS = 60 * MINUTE_MS;
/** Schedules are not exact: what is due within this time is due now. */
const SLACK_MS = 10_000;

/** Something that is due and does not happen: a batch, a fold, or the reading of input. */
export interface Stuck {
  /** Where it is stuck: the missing batch, or the last folded log entry. */
  readonly n: number;
  /** When it was first seen there. */
  readonly sinceMs: number;
  /** How often a message was sent for it, and when the last time. */
  readonly sent: number;
  readonly sentMs: number;
}

/** Where garbage collection is. A round gives each partition its turn. */
export interface CollectNotes {
  /** Turns of this round that are over; 0: the next round has not begun. */
  readonly next: number;
  /** When this round, or else the last one, began. */
  readonly begunMs: number;
  /** A turn of this round, or else of the last one, was too short for what there was to do: the next round need not wait. */
  readonly left: boolean;
  /** A turn of this round failed. */
  readonly failed: boolean;
  /** Garbage from before this time is gone, epoch ms. */
  readonly cleanMs: number;
}

/** How far the listing of an input place is looked through. */
export interface InputNotes {
  /** Up to this key; '' at the beginning. */
  readonly after: string;
  /** Since when objects wait though nothing is planned, `n` the last plan; or wait where nobody reads, `n` 0. */
  readonly stuck?: Stuck | undefined;
  /** Waiting objects were seen since this pass over the listing began. */
  readonly waits?: boolean | undefined;
}

export interface MaintainNotes {
  readonly batches: Readonly<Record<PartitionPath, Stuck>>;
  readonly folds: Readonly<Record<PartitionPath, Stuck>>;
  /** By place, as plans name it. */
  readonly inputs: Readonly<Record<string, InputNotes>>;
  readonly collect: CollectNotes | undefined;
  /** When results that were lost on the way to sinks were last looked for. */
  readonly lostMs?: number | undefined;
}

const NONE: MaintainNotes = { batches: {}, folds: {}, inputs: {}, collect: undefined };

/** @throws {StoreError} */
export async function readNotes(store: ObjectStore, names: Names, trace: Trace): Promise<MaintainNotes> {
  const name = names.maintain();
  const answer = await store.get(name);
  if (!answer.found) return NONE;
  try {
    return { ...NONE, ...decodeEnvelope<Partial<MaintainNotes>>('maintain', VERSION, answer.body, name) };
  } catch (error) {
    if (!(error instanceof MisaError)) throw error;
    trace.trouble?.('what maintain remembers cannot be read, and it begins anew', error);
    return NONE;
  }
}

/** @throws {StoreError} */
export async function writeNotes(store: ObjectStore, names: Names, notes: MaintainNotes): Promise<void> {
  await store.put(names.maintain(), encodeEnvelope('maintain', VERSION, notes));
}

/** What there is to know of a place that is stuck at n: it may be stuck there for some time, or have moved on to it. */
export function stuckAt(known: Stuck | undefined, n: number, nowMs: number): Stuck {
  return known?.n === n ? known : { n, sinceMs: nowMs, sent: 0, sentMs: 0 };
}

/**
 * ⚑ sweep-backoff: whether a message is due for it: the first after `patienceMs`, then 1, 2, 4 … minutes after the one before, and
 * each hour at last. Whoever is stuck for good gets some thirty messages a day, and not one a minute.
 */
export function isDue({ sinceMs, sent, sentMs }: Stuck, nowMs: number, patienceMs: number): boolean {
  const [fromMs, waitMs] = sent === 0 ? [sinceMs, patienceMs] : [sentMs, waitAfter(sent)];
  // If the clock was set back, it is due all the same.
  return nowMs < fromMs || nowMs - fromMs >= waitMs;
}

export function sentAgain(stuck: Stuck, nowMs: number): Stuck {
  return { ...stuck, sent: stuck.sent + 1, sentMs: nowMs };
}

function waitAfter(sent: number): number {
  return Math.min(MAX_WAIT_MS, MINUTE_MS * 2 ** (sent - 1)) - SLACK_MS;
}
