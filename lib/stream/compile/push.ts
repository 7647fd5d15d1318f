/**
 * Compiles stateless chains into closures. A row takes one call an operator, and no allocation but what the user's
 * functions make, and a copy for each branch but one where streams part: what one branch does to its row is its own
 * affair. What a user's function throws is wrapped where it is called, once, so that what comes behind it keeps its own
 * name.
 */
import { DeclaredFields } from '../../source/declared-fields.ts';
import type { InputForm } from '../../source/input-form.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import { assertPlain } from '../../util/plain-data.ts';
import { epochMsIn } from '../api/time.ts';
import type { Calls } from '../graph/calls.ts';
import {
  type EventTimeNode,
  eventTimeUnitOf,
  type KeyNode,
  type SourceNode,
  type StreamNode,
  type TransformNode,
} from '../graph/graph.ts';
import { BadRowError, OperatorFailure } from '../graph/operator.ts';
import { encodeKey, type Key } from '../operators/key.ts';
import { askedFields, columnHead } from './column-head.ts';
import type { Collector, HeadCollector, PhysicalSource, Push } from './physical.ts';
import { HEAD } from './places.ts';
import type { Consumer, PushTargets } from './push-targets.ts';

export class PushCompiler {
  readonly #targets: PushTargets;
  readonly #calls: Calls;
  readonly #done = new Map<StreamNode, Map<number, Push>>();

  constructor(targets: PushTargets, calls: Calls) {
    this.#targets = targets;
    this.#calls = calls;
  }

  /** What happens to rows of a stream. @param from the stage that they come from */
  after(stream: StreamNode, from: number): Push {
    const known = this.#done.get(stream)?.get(from);
    if (known !== undefined) return known;
    const push = fanOut(this.#targets.consumers(stream).map((consumer) => this.#consume(consumer, from)));
    const byStage = this.#done.get(stream) ?? new Map<number, Push>();
    this.#done.set(stream, byStage.set(from, push));
    return push;
  }

  source(node: SourceNode): PhysicalSource {
    const { name, schema, eventTime } = node;
    const next = this.after(node, HEAD) as Push<HeadCollector>;
    const generator = this.#targets.generator(node);
    const timed = eventTime === undefined ? untimed(next) : this.#timed(node, eventTime, generator, next);
    const push = schema === undefined ? timed : validated(schema, `schema of source ${name}`, timed);
    const form = formOf(node);
    const asked = askedFields(node, this.#targets);
    return {
      name,
      form,
      asked,
      columns: columnHead(node, asked === undefined ? form.fields : { names: asked }, this.#targets),
      push: (row, to) => push(row, Number.NaN, to),
      watermarks: this.#generatorsOf(node),
    };
  }

  #consume(consumer: Consumer, from: number): Push {
    if (consumer.kind === 'output') return this.#targets.toOutput(consumer.output, from);
    if (consumer.kind === 'key') return this.#key(consumer.keyed, from);
    const { stream } = consumer;
    const next = this.after(stream, from);
    if (stream.kind === 'event-time') {
      const timed = this.#timed(stream, stream.f, this.#targets.generator(stream), next as Push<HeadCollector>);
      return timed as Push;
    }
    if (stream.kind === 'union') return next;
    return transform(stream as TransformNode, this.#targets.nameOf(stream), this.#calls, next);
  }

  #timed(
    node: SourceNode | EventTimeNode,
    f: (row: never) => unknown,
    generator: number | undefined,
    next: Push<HeadCollector>,
  ): Push<HeadCollector> {
    const name = this.#targets.nameOf(node);
    const eventTime = this.#calls.reads(f as (row: unknown) => unknown);
    const toMs = epochMsIn(eventTimeUnitOf(node));
    return (row, _time, to) => {
      let value: unknown;
      try {
        value = eventTime(row);
      } catch (error) {
        throw new OperatorFailure(name, row, -1, error);
      }
      const time = toMs(value);
      if (generator !== undefined) to.observe(generator, time);
      next(row, time, to);
    };
  }

  #key(keyed: KeyNode, from: number): Push {
    const name = this.#targets.nameOf(keyed);
    const keyOf = this.#calls.reads(keyed.f as (row: unknown) => unknown) as (row: unknown) => Key;
    const edges = this.#targets.edges(keyed, from);
    const [edge] = edges;
    const send: (key: string, row: unknown, time: number, to: Collector) => void =
      edges.length === 1
        ? (key, row, time, to) => to.toEdge(edge!, key, time, row)
        : (key, row, time, to) => {
            to.toEdge(edge!, key, time, row);
            for (let i = 1; i < edges.length; i++) to.toEdge(edges[i]!, key, time, copyPlain(row));
          };
    return (row, time, to) => {
      let encoded: string;
      try {
        encoded = encodeKey(keyOf(row));
      } catch (error) {
        // Only an input row can be set aside as bad; a row that an operator made has no place to go.
        if (from === HEAD && error instanceof BadRowError) throw error;
        throw new OperatorFailure(name, row, -1, error);
      }
      send(encoded, row, time, to);
    };
  }

  #generatorsOf(source: SourceNode): number[] {
    const found = new Set<number>();
    const visit = (stream: StreamNode): void => {
      const generator = this.#targets.generator(stream);
      if (generator !== undefined) found.add(generator);
      for (const consumer of this.#targets.consumers(stream)) if (consumer.kind === 'stream') visit(consumer.stream);
    };
    visit(source);
    return [...found].sort((a, b) => a - b);
  }
}

function formOf({ csv, fields, eventTimeUnit }: SourceNode): InputForm {
  return { csv, fields: fields === undefined ? undefined : new DeclaredFields(fields, eventTimeUnit) };
}

/** Each gets a row of its own, copied before the first can change it. */
export function fanOut(pushes: readonly Push[]): Push {
  const [first, second] = pushes;
  if (first === undefined) return () => {};
  if (second === undefined) return first;
  if (pushes.length === 2) {
    return (row, time, to) => {
      const copy = copyPlain(row);
      first(row, time, to);
      second(copy, time, to);
    };
  }
  const others = pushes.slice(1);
  return (row, time, to) => {
    const copies = others.map(() => copyPlain(row));
    first(row, time, to);
    for (let i = 0; i < others.length; i++) others[i]!(copies[i], time, to);
  };
}

function untimed(next: Push<HeadCollector>): Push<HeadCollector> {
  return (row, _time, to) => next(row, Number.NaN, to);
}

function transform(node: TransformNode, name: string, calls: Calls, next: Push): Push {
  const f = calls.reads(node.f as (row: unknown) => unknown);
  switch (node.kind) {
    case 'map':
      return (row, time, to) => {
        let mapped: unknown;
        try {
          mapped = f(row);
          assertPlain(mapped);
        } catch (error) {
          throw new OperatorFailure(name, row, -1, error);
        }
        next(mapped, time, to);
      };
    case 'filter':
      return (row, time, to) => {
        let keep: unknown;
        try {
          keep = f(row);
        } catch (error) {
          throw new OperatorFailure(name, row, -1, error);
        }
        if (keep) next(row, time, to);
      };
    case 'flat-map':
      return (row, time, to) => {
        let rows: readonly unknown[];
        try {
          const answer = f(row) as Iterable<unknown>;
          rows = Array.isArray(answer) ? answer : [...answer];
          for (let i = 0; i < rows.length; i++) assertPlain(rows[i]);
        } catch (error) {
          throw new OperatorFailure(name, row, -1, error);
        }
        if (rows.length > 1) rows = apart(rows);
        for (let i = 0; i < rows.length; i++) next(rows[i], time, to);
      };
  }
}

/** One object several times in a row (as `fill` gives it) is as many rows: what comes behind may change each. */
function apart(rows: readonly unknown[]): readonly unknown[] {
  let own: unknown[] | undefined;
  for (let i = 1; i < rows.length; i++) {
    if (rows[i] !== rows[i - 1] || typeof rows[i] !== 'object') continue;
    own ??= rows.slice();
    own[i] = copyPlain(rows[i]);
  }
  return own ?? rows;
}

function validated(
  schema: NonNullable<SourceNode['schema']>,
  name: string,
  next: Push<HeadCollector>,
): Push<HeadCollector> {
  const standard = schema['~standard'];
  return (row, time, to) => {
    let answer: ReturnType<typeof standard.validate>;
    try {
      answer = standard.validate(row);
      if ('then' in answer) {
        throw new TypeError(
          'it answers asynchronously, which a source cannot wait for: use a schema without async checks',
        );
      }
      if (answer.issues === undefined && answer.value !== row) assertPlain(answer.value);
    } catch (error) {
      throw new OperatorFailure(name, row, -1, error);
    }
    if (answer.issues !== undefined) throw new BadRowError(issueText(answer.issues));
    next(answer.value, time, to);
  };
}

type Issues = readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[];

/** The first few issues with their paths. */
function issueText(issues: Issues): string {
  const texts = issues.slice(0, 3).map(({ message, path = [] }) => {
    const parts = path.map((part) => String(typeof part === 'object' ? (part as { key: PropertyKey }).key : part));
    return parts.length === 0 ? message : `${parts.join('.')}: ${message}`;
  });
  const more = issues.length > 3 ? `; and ${issues.length - 3} more` : '';
  return `does not fit the schema: ${texts.join('; ')}${more}`;
}
