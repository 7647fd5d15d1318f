/**
 * Takes decoded input rows through the stateless head and gathers what comes out by partition: the input of one
 * micro-batch. Bad rows are set aside with their reason, or stop the job (`onBadRow`); so are rows that a function of the user
 * refuses (`onError`). Whatever a row had emitted by then is taken back.
 */

import type { ColumnBatch } from '../columns/column-batch.ts';
import type { FieldColumns } from '../columns/field-columns.ts';
import { KeyColumn } from '../columns/key-column.ts';
import { InputError } from '../errors.ts';
import { failureText, userFunctionError } from '../job/failed-row.ts';
import type { Skip } from '../manifest/manifest.ts';
import { givenRow } from '../source/given-row.ts';
import type { RowChunk } from '../source/rows.ts';
import { BadRecord } from '../source/text-format.ts';
import type { ColumnHead, ColumnWay, HeadCollector, PhysicalJob } from '../stream/compile/physical.ts';
import { changesArguments } from '../stream/graph/calls.ts';
import { BadRowError, OperatorFailure } from '../stream/graph/operator.ts';
import { pushFieldKeys } from '../stream/operators/field-keys.ts';
import { partitionOf } from '../util/hash.ts';
import { shownRow } from '../util/shown-row.ts';
import { edgeRowsIn, type PartitionInput, type QuarantinedRow } from './rows.ts';

/** A source object whose rows are being added. */
export interface OpenObject {
  /** Index of the source in the job. */
  readonly source: number;
  readonly name: string;
}

/** Rows of columns, by place, and their event times. */
interface Taken {
  count: number;
  readonly rows: Int32Array;
  readonly times: Float64Array;
}

export class SegmentBuilder implements HeadCollector {
  readonly #job: PhysicalJob;
  readonly #edges: (ColumnBatch | undefined)[][];
  readonly #skips: readonly Skip[];
  readonly #quarantined: QuarantinedRow[] = [];
  readonly #objects: string[] = [];
  /** Rows added, and those of them that left no trace. */
  rows = 0;
  dropped = 0;

  /** Keys of the rows that are being sent. */
  readonly #keys = new KeyColumn();
  #object: OpenObject | undefined;
  #emitted: ColumnBatch[] = [];
  #primary = true;
  /** Greatest event time by watermark generator: of the rows that were taken, and of the row being added. */
  readonly #seen: Float64Array;
  readonly #seenInRow: Float64Array;

  /** @param skips rows to be set aside by hand, however often they are read */
  constructor(job: PhysicalJob, skips: readonly Skip[] = []) {
    this.#job = job;
    this.#skips = skips.filter((skip) => skip.line !== undefined);
    this.#edges = Array.from({ length: job.partitions }, () => []);
    this.#seen = new Float64Array(job.watermarks.length).fill(Number.NEGATIVE_INFINITY);
    this.#seenInRow = this.#seen.slice();
  }

  /** Greatest event time by watermark generator id; of those that saw a row. */
  get seen(): ReadonlyMap<string, number> {
    const seen = new Map<string, number>();
    for (const [i, { id }] of this.#job.watermarks.entries()) {
      if (this.#seen[i] !== Number.NEGATIVE_INFINITY) seen.set(id, this.#seen[i]!);
    }
    return seen;
  }

  get quarantined(): number {
    return this.#quarantined.length;
  }

  /** Rows that follow come from this object. */
  open(object: OpenObject): void {
    if (this.#object?.name === object.name && this.#object.source === object.source) return;
    this.#object = object;
    this.#objects.push(object.name);
  }

  /**
   * Adds one row.
   * @param line where it stands in the object, from 1
   * @throws {UserFunctionError} @throws {InputError} `BAD_ROW` with `onBadRow: 'fail'`
   */
  add(row: unknown, line: number): void {
    const source = this.#job.sources[this.#object!.source]!;
    this.rows++;
    this.#primary = true;
    this.#seenInRow.fill(Number.NEGATIVE_INFINITY);
    this.#emitted.length = 0;
    try {
      source.push(row, this);
    } catch (error) {
      this.#undo();
      if (error instanceof BadRowError) this.bad(line, error.message, row);
      else if (error instanceof OperatorFailure) this.#refused(line, error, row);
      else throw error;
      return;
    }
    if (this.#primary) this.dropped++;
    // Not before: a refused row must not move the watermark.
    for (let i = 0; i < this.#seen.length; i++) {
      if (this.#seenInRow[i]! > this.#seen[i]!) this.#seen[i] = this.#seenInRow[i]!;
    }
  }

  /** Quarantines a row that could not be decoded or used. It is counted as a row by {@link add}, not here. */
  bad(line: number, reason: string, row: unknown): void {
    const object = this.#object!;
    const { name: source } = this.#job.sources[object.source]!;
    const text = shownRow(row).toWellFormed();
    if (this.#skipped(source, line, text)) return;
    if (this.#job.onBadRow === 'fail') {
      throw new InputError(
        'BAD_ROW',
        `${object.name}, line ${line}: ${reason}. Repair the row, or let bad rows be set aside with onBadRow: 'quarantine', or this one: misa resume ${this.#job.name} --skip-row. The row: ${text}`,
        object.name,
        { failed: { source, object: object.name, line, text, message: reason } },
      );
    }
    this.#quarantined.push({ source, object: object.name, line, reason: reason.toWellFormed(), text });
  }

  /** Quarantines a row that `misa resume --skip-row` named. @returns whether it is one */
  #skipped(source: string, line: number, text: string): boolean {
    const { name: object } = this.#object!;
    const skip = this.#skips.find(
      (s) => s.line === line && s.source === source && s.object === object && s.text === text,
    );
    if (skip === undefined) return false;
    const operator = skip.operator === undefined ? {} : { operator: skip.operator };
    this.#quarantined.push({ source, object, line, ...operator, reason: skip.reason, text });
    return true;
  }

  /** Quarantines a row on which a function of the user threw; throws where the job says `onError: 'fail'`. */
  #refused(line: number, failure: OperatorFailure, row: unknown): void {
    const { source: index, name: object } = this.#object!;
    const { name: source } = this.#job.sources[index]!;
    const { operator } = failure;
    const text = shownRow(row);
    const message = failureText(failure);
    if (this.#skipped(source, line, text)) return;
    if (this.#job.onError === 'fail' || changesArguments(failure.cause)) {
      throw userFunctionError(this.#job.name, failure, row, { operator, source, object, line, text, message });
    }
    this.#quarantined.push({ source, object, line, operator, reason: `${operator}: ${message}`, text });
  }

  /** Adds rows [from, to) of a chunk. @throws as {@link add} */
  addChunk(chunk: RowChunk, from: number, to: number): void {
    const line = (i: number): number => chunk.lineOf(i) ?? chunk.firstRow + i + 1;
    const bad = chunk.bad.length === 0 ? undefined : new Map(chunk.bad.map((b) => [b.index, b]));
    const undecodable = (i: number): boolean => {
      const wrong = bad?.get(i);
      if (wrong !== undefined) this.undecodable(line(i), wrong.reason, wrong.text);
      return wrong !== undefined;
    };
    const { columns } = this.#job.sources[this.#object!.source]!;
    if (columns !== undefined && chunk.columns !== undefined) {
      const taken = this.#timed(columns, chunk.columns, from, to, undecodable, line);
      for (const [i, way] of columns.ways.entries()) this.#send(way, chunk.columns, taken, i === 0);
      return;
    }
    const { rows } = chunk;
    for (let i = from; i < to; i++) if (!undecodable(i)) this.add(rows[i], line(i));
  }

  /** The rows that have an event time, or need none; the others are set aside. */
  #timed(
    { time }: ColumnHead,
    columns: FieldColumns,
    from: number,
    to: number,
    undecodable: (i: number) => boolean,
    line: (i: number) => number,
  ): Taken {
    const taken: Taken = { count: 0, rows: new Int32Array(to - from), times: new Float64Array(to - from) };
    const { kinds } = columns.shape;
    const numbers = time !== undefined && kinds[time.field] === 'number' ? columns.numbers[time.field] : undefined;
    let last = Number.NEGATIVE_INFINITY;
    for (let i = from; i < to; i++) {
      if (undecodable(i)) continue;
      this.rows++;
      let ms = Number.NaN;
      if (time !== undefined) {
        const number = numbers === undefined ? Number.NaN : numbers[i]!;
        try {
          ms = time.toMs(Number.isNaN(number) ? columns.value(time.field, i) : number);
        } catch (error) {
          if (!(error instanceof BadRowError)) throw error;
          this.bad(line(i), error.message, columns.row(i));
          continue;
        }
        if (ms > last) last = ms;
      }
      taken.rows[taken.count] = i;
      taken.times[taken.count++] = ms;
    }
    const generator = time?.generator;
    if (generator !== undefined && last > this.#seen[generator]!) this.#seen[generator] = last;
    return taken;
  }

  /** Sends rows to the partitions of their keys. @param primary whether its first edge has the rows that count */
  #send(way: ColumnWay, columns: FieldColumns, taken: Taken, primary: boolean): void {
    const { partitions } = this.#job;
    const { count, rows, times } = taken;
    const keys = this.#keys;
    keys.truncate(0);
    pushFieldKeys(keys, columns, way, rows, count);
    for (const [i, edge] of way.edges.entries()) {
      const counts = primary && i === 0 ? 1 : 0;
      if (partitions === 1) {
        if (count > 0) edgeRowsIn(this.#edges[0]!, edge, true).appendColumns(keys, times, columns, rows, counts);
      } else {
        for (let k = 0; k < count; k++) {
          const to = edgeRowsIn(this.#edges[keys.hashes[k]! % partitions]!, edge, true);
          to.pushColumns(keys, k, times[k]!, columns, rows[k]!);
          to.primary![to.count - 1] = counts;
        }
      }
      for (const edges of this.#edges) edges[edge]?.endPiece(this.#objects.length - 1, edges[edge].count);
    }
  }

  /** As {@link add}, for a row that was given as an object. */
  addGiven(row: unknown, line: number): void {
    const taken = givenRow(row, this.#job.sources[this.#object!.source]!.form);
    if (taken instanceof BadRecord) this.undecodable(line, taken.reason, shownRow(row));
    else this.add(taken, line);
  }

  /** As {@link bad}, for a row that never got as far as {@link add}. */
  undecodable(line: number, reason: string, text: string): void {
    this.rows++;
    this.bad(line, reason, text);
  }

  toEdge(edge: number, key: string, time: number, row: unknown): void {
    const { partitions } = this.#job;
    const partition = key === '' ? (this.rows - 1) % partitions : partitionOf(key, partitions);
    const to = edgeRowsIn(this.#edges[partition]!, edge, true);
    to.pushCounted(key, time, row, this.#primary, this.#objects.length - 1);
    this.#primary = false;
    this.#emitted.push(to);
  }

  toOutput(): void {
    throw new Error('the head sends results over an edge');
  }

  observe(watermark: number, time: number): void {
    if (time > this.#seenInRow[watermark]!) this.#seenInRow[watermark] = time;
  }

  /** The inputs of all partitions; quarantined rows go to partition 0. */
  finish(): PartitionInput[] {
    return this.#edges.map((edges, p) => ({
      edges,
      quarantined: p === 0 ? this.#quarantined : [],
      objects: this.#objects,
    }));
  }

  /** Removes what the failed row has emitted already. */
  #undo(): void {
    for (const to of this.#emitted) to.pop();
  }
}
