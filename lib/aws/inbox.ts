/**
 * The messages of one invocation of ingest, in the order given: rows, hints, and what becomes of each delivery.
 */
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { arrivalsOf, type Delivery, type Hint, type MessageArrival } from './deliveries.ts';
import type { InputPlace } from './settings.ts';

/** A delivery on its way into plans. */
export interface Work {
  readonly delivery: Delivery;
  readonly messages: readonly MessageArrival[];
  readonly hints: readonly Hint[];
  /** Messages before this one are gathered. */
  at: number;
  /** Messages before this one are planned. */
  planned: number;
  /** Why it cannot be planned. */
  failure?: unknown;
}

export class Inbox {
  readonly works: readonly Work[];

  constructor(deliveries: readonly Delivery[], job: PhysicalJob, inputs: readonly InputPlace[]) {
    this.works = deliveries.map((delivery) => workOf(delivery, job, inputs));
  }

  /** The next message that is to be gathered; `undefined`: there is none. */
  next(): { readonly work: Work; readonly message: MessageArrival } | undefined {
    for (const work of this.works) {
      const message = work.failure === undefined ? work.messages[work.at] : undefined;
      if (message !== undefined) return { work, message };
    }
    return undefined;
  }

  /** Marks what was gathered as planned. */
  commit(): void {
    for (const work of this.works) work.planned = work.at;
  }

  /** Gives up what was gathered: it is gathered again. */
  rollback(): void {
    for (const work of this.works) work.at = work.planned;
  }

  /** Whether messages are in no plan yet. */
  get waits(): boolean {
    return this.works.some((work) => work.failure === undefined && work.planned < work.messages.length);
  }
}

function workOf(delivery: Delivery, job: PhysicalJob, inputs: readonly InputPlace[]): Work {
  try {
    const messages: MessageArrival[] = [];
    const hints: Hint[] = [];
    for (const arrival of arrivalsOf(delivery, job, inputs)) {
      if (arrival.kind === 'object' || arrival.kind === 'look') hints.push(arrival);
      else messages.push(arrival);
    }
    return { delivery, messages, hints, at: 0, planned: 0 };
  } catch (failure) {
    return { delivery, messages: [], hints: [], at: 0, planned: 0, failure };
  }
}
