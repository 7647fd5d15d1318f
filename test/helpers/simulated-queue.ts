/**
 * A queue as SQS has it, in simulated time: visibility time-outs, receive counts, dead letters, message groups. A message of a
 * standard queue may come once more though it was deleted.
 */
import type { OutgoingMessage } from '../../lib/queue/queue.ts';
import type { Random } from '../../lib/util/random.ts';
import type { SimulatedClock } from './simulated-clock.ts';

export interface QueueSettings {
  readonly fifo: boolean;
  /** Deliveries after which a message is dead. */
  readonly maxReceives: number;
  /** How long a message that was received is hidden. */
  readonly visibilityMs: number;
}

export interface SimulatedMessage extends OutgoingMessage {
  readonly id: string;
  readonly sentMs: number;
  receives: number;
  visibleMs: number;
  /** Of the last time that it was received. */
  receipt: string;
  deleted: boolean;
}

const DEDUP_MS = 5 * 60_000;

export class SimulatedQueue {
  readonly dead: SimulatedMessage[] = [];
  readonly settings: QueueSettings;
  /** Something may be there to be received. */
  onVisible: () => void = () => {};
  readonly #clock: SimulatedClock;
  readonly #random: Random;
  #messages: SimulatedMessage[] = [];
  readonly #byReceipt = new Map<string, SimulatedMessage>();
  readonly #sent = new Map<string, number>();
  #ids = 0;

  constructor(settings: QueueSettings, clock: SimulatedClock, random: Random) {
    this.settings = settings;
    this.#clock = clock;
    this.#random = random;
  }

  /** Messages that are not done with, hidden ones too. */
  get length(): number {
    return this.#messages.length;
  }

  send(message: OutgoingMessage): void {
    const nowMs = this.#clock.now();
    if (this.settings.fifo && message.dedupId !== undefined) {
      if (nowMs - (this.#sent.get(message.dedupId) ?? Number.NEGATIVE_INFINITY) < DEDUP_MS) return;
      this.#sent.set(message.dedupId, nowMs);
    }
    const own = { id: `m${++this.#ids}`, sentMs: nowMs, receives: 0, visibleMs: nowMs, receipt: '', deleted: false };
    this.#messages.push({ ...message, ...own });
    this.#clock.after(5 + this.#random.next() * 30, () => this.onVisible());
  }

  /** Receives some. What was received too often is dead. @param shuffle the chance that one comes out of turn */
  receive(max: number, shuffle: number): SimulatedMessage[] {
    const nowMs = this.#clock.now();
    const taken: SimulatedMessage[] = [];
    const { fifo, maxReceives, visibilityMs } = this.settings;
    const blocked = new Set<string | undefined>();
    const candidates: SimulatedMessage[] = [];
    for (const message of this.#messages) {
      const visible = message.visibleMs <= nowMs;
      if (fifo) {
        if (!visible) blocked.add(message.group);
        if (blocked.has(message.group)) continue;
      } else if (!visible) continue;
      if (message.receives >= maxReceives) {
        this.dead.push(message);
        message.deleted = true;
        continue;
      }
      candidates.push(message);
      if (fifo || shuffle === 0) {
        if (candidates.length === max) break;
      }
    }
    this.#messages = this.#messages.filter((message) => !message.deleted);
    while (taken.length < max && candidates.length > 0) {
      const at = !fifo && this.#random.next() < shuffle ? Math.floor(this.#random.next() * candidates.length) : 0;
      taken.push(candidates.splice(at, 1)[0]!);
    }
    for (const message of taken) {
      message.receives++;
      this.#byReceipt.delete(message.receipt);
      message.receipt = `${message.id}/${message.receives}`;
      this.#byReceipt.set(message.receipt, message);
      this.#hide(message, visibilityMs);
    }
    return taken;
  }

  /** @param again it comes once more */
  delete(receipt: string, again: boolean): void {
    const message = this.#byReceipt.get(receipt);
    if (message === undefined) return;
    if (again && !this.settings.fifo) {
      this.#hide(message, 1000);
      return;
    }
    message.deleted = true;
    this.#byReceipt.delete(receipt);
    this.#messages.splice(this.#messages.indexOf(message), 1);
    // The next of its group may come.
    this.#clock.after(1, () => this.onVisible());
  }

  changeVisibility(receipt: string, seconds: number): void {
    const message = this.#byReceipt.get(receipt);
    if (message !== undefined) this.#hide(message, seconds * 1000);
  }

  #hide(message: SimulatedMessage, ms: number): void {
    message.visibleMs = this.#clock.now() + ms;
    this.#clock.after(ms, () => this.onVisible());
  }
}
