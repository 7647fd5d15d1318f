/**
 * Finds results that did not come to their sinks, and announces them again: S3's notification was lost, the results queue was
 * purged, or a delivery failed so long that its message is among the dead. What is published is known from the manifests, and
 * what was taken from the notes of the sink function; only what is behind the first that is in no note is listed. Sinks bear a
 * result twice.
 *
 * ⚑ taken-known: nobody looks again for what counts as taken, so only that counts which a note names, or of which it is known that
 * there is nothing to deliver.
 */

import { loadResultsMark } from '../commit/results-mark.ts';
import { quarantineOf } from '../job/outputs.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { numberOf, partitionPath } from '../object-store/names.ts';
import type { ListedObject } from '../object-store/object-store.ts';
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { OutgoingMessage } from '../queue/queue.ts';
import { namedOutput } from '../sinks/result-name.ts';
import {
  gapsOf,
  loadDelivered,
  type OutputDelivered,
  type Ranges,
  readTaken,
  saveDelivered,
  withNumbers,
} from '../sinks/taken.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { smallest } from '../util/numbers.ts';
import type { FunctionEnvironment } from './function-environment.ts';

/** Longer than the queue tries a result before it is among the dead. */
export const LOST_MS = 2 * 3_600_000;
const MAX_WAIT_MS = 24 * 3_600_000;
/** Notes that are read in one look, and side by side; results that are announced in one look. */
const MOST_NOTES = 5000;
const AT_ONCE = 16;
const MOST_AGAIN = 1000;
/** Objects of one place that are listed in one look, and in how many lists. */
const MOST_LISTED = 20_000;
const MOST_LISTS = 100;
/** Results between two that were not taken, so many that they are not listed: a page. */
const FAR = 1000;

type Again = NonNullable<OutputDelivered['again']>[number];

interface Output {
  /** Of the objects. */
  readonly name: string;
  readonly stage: number;
  readonly partition: number;
}

/**
 * @param goOn false: time is up
 * @returns results that were announced again
 * @throws {CorruptionError} a manifest, or what is known of deliveries, cannot be read @throws {StoreError}
 */
export async function announceLost(env: FunctionEnvironment, goOn: () => boolean): Promise<number> {
  const { store, names, settings, queue, clock, report } = env;
  const { resultsQueue } = settings;
  if (resultsQueue === undefined) return 0;
  const nowMs = clock.now();
  const [{ delivered, etag }, mark, { notes, taken }] = await Promise.all([
    loadDelivered(store, names),
    loadResultsMark(store, names),
    readNotes(env, goOn),
  ]);
  const messages: OutgoingMessage[] = [];
  // Outputs whose sinks were removed are dropped; if the sinks come back, they begin anew.
  const places: Record<string, OutputDelivered> = {};
  const outputs = outputsOf(env);
  const published = await publishedOf(env, outputs);
  for (const [i, output] of outputs.entries()) {
    if (!goOn()) return 0;
    const id = placeId(output.name, output.partition);
    const ns = taken.get(id) ?? [];
    const last = published[i]!;
    // Results before the first known delivery may be from before there were sinks, and count as taken.
    const before: Ranges = delivered[id]?.taken ?? [[0, smallest(ns, last + 1) - 1]];
    const known = withNumbers([...before, [0, mark.through]], ns);
    places[id] = await look(env, output, { ...delivered[id], taken: known }, { last, nowMs, messages });
  }
  // Saved before it is sent: after a crash in between, it is sent later.
  if (!(await saveDelivered(store, names, places, etag))) return 0;
  if (notes.length > 0) await store.delete(notes);
  if (messages.length === 0) return 0;
  await queue(resultsQueue).send(messages);
  report.metric('ResultsLost', messages.length);
  report.warn('results that did not come to their sinks were announced again', { results: messages.length });
  return messages.length;
}

function placeId(output: string, partition: number): string {
  return `${output}/p${partition}`;
}

/** Objects of all outputs that have sinks. The quarantine of a stage is published by its partition 0 alone. */
function outputsOf({ file, settings }: FunctionEnvironment): Output[] {
  const wanted = new Set(settings.sinkOutputs);
  const partitions = Array.from({ length: file.partitions }, (_, p) => p);
  const quarantines = Array.from({ length: file.stages }, (_, stage) => ({ name: quarantineOf(stage), stage }));
  return [
    ...file.outputs.flatMap(({ name, stage }) => partitions.map((partition) => ({ name, stage, partition }))),
    ...quarantines.map((one) => ({ ...one, partition: 0 })),
  ].filter(({ name }) => wanted.has(namedOutput(name)));
}

/** How far each is published. */
async function publishedOf({ store, names }: FunctionEnvironment, outputs: readonly Output[]): Promise<number[]> {
  const paths = [...new Set(outputs.map(({ stage, partition }) => partitionPath(stage, partition)))];
  const read = await allOrFirstError(paths.map((path) => loadManifest(store, names.manifest(path))));
  const through = new Map(paths.map((path, i) => [path, read[i]!.manifest.publishedThrough]));
  return outputs.map(({ stage, partition }) => through.get(partitionPath(stage, partition))!);
}

async function readNotes(
  { store, names }: FunctionEnvironment,
  goOn: () => boolean,
): Promise<{ notes: string[]; taken: Map<string, number[]> }> {
  const listed: string[] = [];
  for await (const { name } of store.list(names.takenPrefix())) {
    listed.push(name);
    if (listed.length === MOST_NOTES) break;
  }
  const notes: string[] = [];
  const taken = new Map<string, number[]>();
  const left = listed.values();
  const reading = async (): Promise<void> => {
    for (const name of left) {
      if (!goOn()) return;
      for (const [output, partition, n] of await readTaken(store, name)) {
        const id = placeId(output, partition);
        const known = taken.get(id);
        if (known === undefined) taken.set(id, [n]);
        else known.push(n);
      }
      notes.push(name);
    }
  };
  await allOrFirstError(Array.from({ length: AT_ONCE }, reading));
  return { notes, taken };
}

/** Looks for what has been missing for long, and adds what is to be announced. */
async function look(
  env: FunctionEnvironment,
  output: Output,
  { taken, missing, again = {} }: OutputDelivered,
  { last, nowMs, messages }: { readonly last: number; readonly nowMs: number; readonly messages: OutgoingMessage[] },
): Promise<OutputDelivered> {
  if (gapsOf(taken, last).length === 0) return { taken };
  const { there, known } = await untaken(env, output, taken, last);
  const [[first] = []] = gapsOf(known, last);
  if (first === undefined) return { taken: known };
  const since = missing !== undefined && first <= missing.n ? missing : { n: last, sinceMs: nowMs };
  const noted = Object.entries(again).filter(([n]) => there.some((object) => object.n === Number(n)));
  const sent = Object.fromEntries(noted) as Record<number, Again>;
  if (nowMs - since.sinceMs < LOST_MS) return { taken: known, missing: since, again: sent };
  for (const { n, name, size, modifiedMs } of there) {
    if (messages.length >= MOST_AGAIN) break;
    if (nowMs - modifiedMs < LOST_MS || !isDue(sent[n], nowMs)) continue;
    messages.push({ body: announcementOf(env.settings.store, name, size) });
    sent[n] = { sent: (sent[n]?.sent ?? 0) + 1, sentMs: nowMs };
  }
  return { taken: known, missing: since, again: sent };
}

/**
 * Of published results that no note names, those that are there. ⚑ absent-is-empty: the others need no delivery, since they
 * had no rows, or were deleted.
 * @returns `known`: what was taken, and the others
 */
async function untaken(
  { store, names }: FunctionEnvironment,
  { name: output, partition }: Output,
  taken: Ranges,
  last: number,
): Promise<{ there: (ListedObject & { readonly n: number })[]; known: Ranges }> {
  const gaps = gapsOf(taken, last);
  const there: (ListedObject & { readonly n: number })[] = [];
  const absent: [number, number][] = [];
  const prefix = names.outPrefix(output, partition);
  let listed = 0;
  for (let [i, lists] = [0, 0]; i < gaps.length && listed < MOST_LISTED && lists < MOST_LISTS; lists++) {
    /** Numbers of gap i before this are known. */
    let next = gaps[i]![0];
    const close = (): void => {
      if (next <= gaps[i]![1]) absent.push([next, gaps[i]![1]]);
      next = gaps[++i]?.[0] ?? Number.POSITIVE_INFINITY;
    };
    let ended = true;
    for await (const object of store.list(prefix, { after: names.out(output, partition, next - 1) })) {
      const n = numberOf(object.name);
      while (i < gaps.length && gaps[i]![1] < n) close();
      // What lies between is taken: the next list begins behind it.
      ended = i < gaps.length && next <= n + FAR && listed++ < MOST_LISTED;
      if (!ended) break;
      if (n < next) continue;
      if (n > next) absent.push([next, n - 1]);
      there.push({ ...object, n });
      next = n + 1;
    }
    if (ended) while (i < gaps.length) close();
  }
  return { there, known: withNumbers([...taken, ...absent], []) };
}

/** ⚑ sweep-backoff: the queue tries each time for an hour; what fails for good is tried once a day. */
function isDue(again: Again | undefined, nowMs: number): boolean {
  return again === undefined || nowMs - again.sentMs >= Math.min(MAX_WAIT_MS, LOST_MS * 2 ** (again.sent - 1));
}

/** The body of the notification that S3 would send. */
function announcementOf(store: StoreSpec, name: string, size: number): string {
  if (store.kind !== 's3') throw new TypeError('sinks are told of objects in S3');
  const key = store.prefix === '' ? name : `${store.prefix}/${name}`;
  const s3 = { bucket: { name: store.bucket }, object: { key, size } };
  return JSON.stringify({ Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] });
}
