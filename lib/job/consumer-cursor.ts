/**
 * How far a consumer has taken the results of a job: one small object in the store, moved on by compare-and-set after what it
 * says is done. It is written before the first result is given out, so whoever deletes results knows who still needs them.
 */
import { CorruptionError, FencedError, MisaError, StoreError, StoreTimeoutError } from '../errors.ts';
import { isName, type Names } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Clock } from '../util/clock.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';
import type { Random } from '../util/random.ts';

/** Version 1 did not say whether it has begun. */
const VERSION = 2;
const MAX_TRIES = 5;

interface Body {
  /** Batches up to this are taken. */
  readonly through: number;
  /** Random, of the write: how a writer recognises its own cursor after a lost answer. */
  readonly nonce: string;
  /**
   * It has looked where results begin since it was there. Until then a collection that did not know of it may have deleted
   * what comes next; after that none does.
   */
  readonly begun: boolean;
}

export interface CursorOptions {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly consumer: string;
  readonly clock: Clock;
  readonly random: Random;
}

export class ConsumerCursor {
  readonly #options: CursorOptions;
  readonly #name: string;
  #through: number;
  #begun: boolean;
  #etag: string | undefined;

  private constructor(options: CursorOptions, { through, begun }: Pick<Body, 'through' | 'begun'>, etag?: string) {
    this.#options = options;
    this.#name = options.names.consumer(options.consumer);
    this.#through = through;
    this.#begun = begun;
    this.#etag = etag;
  }

  /**
   * Opens the cursor of a consumer, and makes it if there is none.
   * @param begin where a new consumer begins: batches up to this are not given to it. Asked before its place is written, and
   *   once more after that
   * @throws {MisaError} `BAD_NAME` @throws {CorruptionError} @throws {FencedError}
   */
  static async open(options: CursorOptions, begin: () => Promise<number>): Promise<ConsumerCursor> {
    const { store, names, consumer } = options;
    if (!isName(consumer)) {
      throw new MisaError(
        'BAD_NAME',
        `consumer name ${JSON.stringify(consumer)}: use 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit`,
      );
    }
    const answer = await store.get(names.consumer(consumer));
    const cursor = answer.found
      ? new ConsumerCursor(options, decodeBody(answer.body, names.consumer(consumer)), answer.etag)
      : new ConsumerCursor(options, { through: 0, begun: false });
    if (!answer.found) await cursor.advance(await begin());
    if (cursor.#begun) return cursor;
    // ⚑ results-condemned: now that its place is written, what is marked from here on waits for it.
    const from = await begin();
    cursor.#begun = true;
    await cursor.advance(Math.max(cursor.#through, from));
    return cursor;
  }

  /** Batches up to this are taken. */
  get through(): number {
    return this.#through;
  }

  /**
   * Advances the cursor; durable when this resolves. @throws {FencedError} another process takes results under this name
   */
  async advance(through: number): Promise<void> {
    const { store, clock, random } = this.#options;
    const nonce = random.id();
    const body = encodeEnvelope('consumer', VERSION, { through, nonce, begun: this.#begun } satisfies Body);
    for (let tries = 1; ; tries++) {
      try {
        const written = await store.compareAndSet(this.#name, body, this.#etag);
        if (written.ok) {
          this.#etag = written.etag;
          break;
        }
        // An earlier try may have succeeded without an answer.
        const found = await store.get(this.#name);
        if (!found.found || decodeBody(found.body, this.#name).nonce !== nonce) throw this.#fenced();
        this.#etag = found.etag;
        break;
      } catch (error) {
        const again = error instanceof StoreTimeoutError || (error instanceof StoreError && error.retryable);
        if (!again || tries >= MAX_TRIES) throw error;
        await clock.sleep(20 * 2 ** tries);
      }
    }
    this.#through = through;
  }

  #fenced(): FencedError {
    return new FencedError(
      `another process takes the results of job ${this.#options.names.job} as consumer ${this.#options.consumer}. Let one of the two run, or give one another name.`,
    );
  }
}

/**
 * Batches up to which every consumer of a job has its results; Infinity: there is none. Results after this must not be deleted.
 * @throws {CorruptionError} a cursor cannot be read: then nothing may be deleted
 */
export async function consumedThrough(store: ObjectStore, names: Names): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for await (const { name } of store.list(names.consumerPrefix())) {
    const answer = await store.get(name);
    if (answer.found) least = Math.min(least, decodeBody(answer.body, name).through);
  }
  return least;
}

function decodeBody(bytes: Uint8Array, name: string): Body {
  const body = decodeEnvelope<Body>('consumer', VERSION, bytes, name, VERSION);
  if (Number.isSafeInteger(body.through) && body.through >= 0 && typeof body.begun === 'boolean') return body;
  throw new CorruptionError(name, `it says that results are taken through ${String(body.through)}`);
}
