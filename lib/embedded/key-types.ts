/**
 * Notices keys of another type than an operator has had. 1 and '1' are two keys: where an input, or a changed `keyBy`, gives
 * numbers for what was text, each count splits in two without any error. Keys of several types may also be meant, so it is a
 * warning, told once in the life of a job; job.json remembers the types. Null is like no value of another type, and says nothing.
 *
 * Best effort: what a killed run noted last may be lost, and is noted when such a key comes again.
 */

import type { KeyColumn } from '../columns/key-column.ts';
import type { JobContext } from '../job/job-context.ts';
import { addKeyTypes } from '../job/job-file.ts';
import type { PartitionInput } from '../plan/rows.ts';
import { decodeKey, keyTypeCode, keyTypeWords } from '../stream/operators/key.ts';
import { cutText } from '../util/text.ts';

/** Most types that are remembered for one operator. */
const MAX_TYPES = 16;
const SHOWN_CHARS = 60;

interface Known {
  readonly codes: Set<number>;
  readonly words: string[];
}

export class KeyTypes {
  readonly #context: JobContext;
  /** Keyed by stage and operator, as in `s0/o1`. */
  readonly #known = new Map<string, Known>();

  constructor(context: JobContext) {
    this.#context = context;
    for (const [place, words] of Object.entries(context.file.keyTypes ?? {})) {
      this.#known.set(place, { codes: new Set(), words: [...words] });
    }
  }

  /** Looks at the keys of these rows; waits only where a type is new. Never rejects. */
  async learn(inputs: readonly PartitionInput[]): Promise<void> {
    const { job, store, trace } = this.#context;
    const come = new Map<string, string[]>();
    for (const { edges } of inputs) {
      for (const [edge, rows] of edges.entries()) {
        const { stage, operator } = job.edges[edge]!;
        if (rows === undefined || operator < 0) continue;
        const place = `s${stage}/o${operator}`;
        const fresh = this.#look(place, job.stages[stage]!.operators[operator]!.operator.name, rows.keys);
        if (fresh.length > 0) come.set(place, [...(come.get(place) ?? []), ...fresh]);
      }
    }
    if (come.size === 0) return;
    try {
      await addKeyTypes(store, job.name, Object.fromEntries(come));
    } catch (error) {
      trace.trouble?.('the types of keys could not be noted, so that the next run may not notice another', error);
    }
  }

  /** @returns types that are new */
  #look(place: string, operator: string, keys: KeyColumn): string[] {
    const known = this.#known.get(place) ?? { codes: new Set([0]), words: [] };
    this.#known.set(place, known);
    const { codes, words } = known;
    const fresh: string[] = [];
    let last = 0;
    for (let i = 0; i < keys.count; i++) {
      const code = keyTypeCode(keys.bytes, keys.starts[i]!, keys.starts[i + 1]!);
      if (code === last || code === 0 || codes.has(code)) continue;
      last = code;
      codes.add(code);
      const type = keyTypeWords(code);
      if (words.includes(type) || words.length === MAX_TYPES) continue;
      if (words.length > 0) this.#warn(operator, type, words, keys.text(i));
      words.push(type);
      fresh.push(type);
    }
    return fresh;
  }

  #warn(operator: string, type: string, before: readonly string[], key: string): void {
    const shown = cutText(JSON.stringify(decodeKey(key)), SHOWN_CHARS, '…');
    this.#context.trace.trouble?.(
      `${operator} gets keys of another type`,
      `${shown} is ${type}, and keys were ${before.join(' or ')} until now. 1 and "1" are two keys, each with a state of its own: if one is meant, let keyBy give one type, String(…) or Number(…). This is told once.`,
    );
  }
}
