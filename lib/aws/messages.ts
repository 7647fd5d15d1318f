/**
 * The messages between functions: small JSON, versioned, and all of them hints. Whatever one says is checked against the
 * objects; a lost, doubled, late or reordered one changes only time. A trigger may carry the plan and small sections of the
 * segment, which saves its receiver the requests for them.
 */

import { MisaError } from '../errors.ts';
import { decodePlan, type StoredPlan } from '../plan/plan.ts';
import type { PartitionInput } from '../plan/rows.ts';
import { decodeSection, type SectionPlace, sectionPlace } from '../plan/segment.ts';
import { asBuffer } from '../util/bytes.ts';
import { cutText } from '../util/text.ts';
import type { Trace } from '../util/trace.ts';

const VERSION = 1;

interface OfJob {
  /** {@link JobFile.id}: what is left in a queue of a job that was deleted means nothing to the next one. */
  readonly job: string;
}

/** Batch n of a partition can run. */
export interface BatchTrigger extends OfJob {
  readonly kind: 'batch';
  readonly stage: number;
  readonly partition: number;
  readonly n: number;
  /** Of the sweep: how often it has sent for this batch of this partition, this time included. */
  readonly tries?: number | undefined;
  /** Bytes of the plan, base64. */
  readonly plan?: string | undefined;
  /** The head of its segment, base64: says where this partition's rows are, and vouches for those that are carried. */
  readonly head?: string | undefined;
  /** This partition's rows in that segment, base64, unless they are too many. */
  readonly input?: string | undefined;
}

/** Log entries of a partition (or plans) up to n are durable; unless it says otherwise, they are published, too. */
export interface FoldHint extends OfJob {
  readonly kind: 'fold';
  readonly path: string;
  readonly n: number;
  readonly published?: boolean | undefined;
}

export interface CompactHint extends OfJob {
  readonly kind: 'compact';
  readonly path: string;
}

/** Plan n is durable. */
export interface PlanNotice extends OfJob {
  readonly kind: 'plan';
  readonly n: number;
  readonly plan?: string | undefined;
}

export type Message = BatchTrigger | FoldHint | CompactHint | PlanNotice;

export function encodeMessage(message: Message): string {
  return JSON.stringify({ v: VERSION, ...message });
}

/** @throws {MisaError} `BAD_MESSAGE`: nothing that Misa sends to this queue */
export function decodeMessage<K extends Message['kind']>(body: string, kind: K): Extract<Message, { kind: K }> {
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch (error) {
    throw bad(kind, body, error);
  }
  const { v, kind: found, job, n, path } = (message ?? {}) as Record<string, unknown>;
  const whole = kind === 'compact' || (Number.isSafeInteger(n) && (n as number) > 0);
  const placed = kind === 'batch' || kind === 'plan' || typeof path === 'string';
  if (found !== kind || typeof job !== 'string' || !whole || !placed) throw bad(kind, body);
  if (v !== VERSION) {
    throw new MisaError(
      'BAD_MESSAGE',
      `a ${kind} message is of version ${String(v)}, and this function knows ${VERSION}: deploy all functions of the stack together`,
      { retryable: true },
    );
  }
  return message as Extract<Message, { kind: K }>;
}

export function encodeBytes(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64');
}

/** The plan that a message carries; `undefined`: none, or not a whole one. */
export function carriedPlan({ n, plan }: BatchTrigger | PlanNotice, trace?: Trace): StoredPlan | undefined {
  return attempt(trace, plan, (bytes) => decodePlan(bytes, 'the plan in a message', n));
}

/** Where the segment that the plan names has this partition's rows; `undefined`: the message does not say so, or not of this segment. */
export function carriedPlace(
  { head, partition }: BatchTrigger,
  segment: string,
  trace?: Trace,
): SectionPlace | undefined {
  return attempt(trace, head, (bytes) => sectionPlace(bytes, segment, partition, 'the segment in a message'));
}

/** The rows that a trigger carries; `undefined`: none, or not those of the segment. */
export function carriedInput({ input }: BatchTrigger, place: SectionPlace, trace?: Trace): PartitionInput | undefined {
  return attempt(trace, input, (bytes) => decodeSection(bytes, place, 'the rows in a message'));
}

/** A damaged part of a message is reported, and read from the store instead. */
function attempt<T>(
  trace: Trace | undefined,
  text: string | undefined,
  decode: (bytes: Uint8Array) => T,
): T | undefined {
  if (text === undefined) return undefined;
  try {
    return decode(Buffer.from(text, 'base64'));
  } catch (error) {
    trace?.trouble?.('a damaged part of a message is read from the store instead', error);
    return undefined;
  }
}

function bad(kind: string, body: string, cause?: unknown): MisaError {
  return new MisaError('BAD_MESSAGE', `this is no ${kind} message of Misa: ${cutText(body, 200)}`, { cause });
}
