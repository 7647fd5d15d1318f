/**
 * What must hold of every manifest, checked when it is written and when it is read: a manifest that breaks one of these
 * would lose or resurrect state long before anyone noticed. Structure first, since what was read may be anything.
 */
import { type Manifest, sstsOf } from './manifest.ts';

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isCount: Check = (v) => Number.isSafeInteger(v) && (v as number) >= 0;
const isText: Check = (v) => typeof v === 'string';
const isTime: Check = (v) => v === null || (typeof v === 'number' && Number.isFinite(v));
const isObject = (v: unknown): v is Fields => typeof v === 'object' && v !== null && !Array.isArray(v);
const list =
  (of: Check): Check =>
  (v) =>
    Array.isArray(v) && v.every(of);
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (v) =>
    isObject(v) && Object.entries(fields).every(([name, check]) => check(v[name]));

const optional =
  (check: Check): Check =>
  (v) =>
    v === undefined || check(v);
const isNumber: Check = (v) => v !== null && isTime(v);
const isSst = shape({
  id: isText,
  size: isCount,
  metaOffset: isCount,
  indexOffset: isCount,
  entries: isCount,
  tombstones: isCount,
  minKey: isText,
  maxKey: isText,
  from: isCount,
  to: isCount,
  halfExpiredMs: optional(isNumber),
});
const ROW: Readonly<Record<string, Check>> = {
  message: isText,
  text: isText,
  operator: optional(isText),
  source: optional(isText),
  object: optional(isText),
  line: optional(isCount),
  place: optional(isText),
};
const isHalt = shape({
  n: isCount,
  code: isText,
  reason: isText,
  row: optional(shape(ROW)),
  planHash: optional(isText),
});
const isSkip = shape({ ...ROW, n: isCount, reason: isText, planHash: optional(isText) });

const isForgotten = list((v) => Array.isArray(v) && v.length === 2 && isCount(v[0]) && isNumber(v[1]));

const FIELDS: Readonly<Record<keyof Required<Manifest>, Check>> = {
  version: isCount,
  nonces: list(isText),
  through: isCount,
  folds: list(shape({ through: isCount, atMs: isTime })),
  collectedThrough: isCount,
  logHash: isText,
  l0: list(isSst),
  levels: list(list(isSst)),
  forgotten: optional(isForgotten),
  condemnedMs: isCount,
  halted: (v) => v === null || isHalt(v),
  skips: optional(list(isSkip)),
  publishedThrough: isCount,
  totals: optional(
    shape({
      from: isCount,
      rows: isCount,
      late: isCount,
      skipped: isCount,
      quarantined: isCount,
      setAside: isCount,
      emitted: isCount,
    }),
  ),
  timeMs: optional(isNumber),
  closedTo: optional(isNumber),
  layoutVersion: optional(isCount),
  wakeMs: optional(isNumber),
  roots: list(shape({ name: isText, ssts: list(isText), forgotten: optional(isForgotten) })),
};

/** What is wrong with it, as the rest of the sentence "the manifest is corrupted: …"; `undefined`: nothing. */
export function manifestFault(value: unknown): string | undefined {
  if (!isObject(value)) return 'it is no object';
  for (const [name, check] of Object.entries(FIELDS)) {
    if (!check(value[name])) return `its field ${JSON.stringify(name)} is missing or not what it must be`;
  }
  return meaningFault(value as unknown as Manifest);
}

function meaningFault(manifest: Manifest): string | undefined {
  const { through, collectedThrough, folds, levels, roots } = manifest;
  if (collectedThrough > through)
    return `it collected the log up to ${collectedThrough} and folded it up to ${through}`;
  let last = collectedThrough;
  for (const fold of folds) {
    if (fold.through <= last || fold.through > through) return `its folds are out of order at ${fold.through}`;
    last = fold.through;
  }
  const live = new Set<string>();
  for (const { id, minKey, maxKey, from, to } of sstsOf(manifest)) {
    if (live.has(id)) return `it names SST ${id} twice`;
    live.add(id);
    if (minKey > maxKey) return `SST ${id} has its least key after its greatest`;
    if (from > to || to > through) return `SST ${id} holds batches ${from} to ${to}, folded through ${through}`;
  }
  for (const [i, level] of levels.entries()) {
    for (let k = 1; k < level.length; k++) {
      if (level[k - 1]!.maxKey >= level[k]!.minKey)
        return `SSTs ${level[k - 1]!.id} and ${level[k]!.id} of L${i + 1} overlap`;
    }
  }
  const { forgotten = [] } = manifest;
  for (let i = 1; i < forgotten.length; i++) {
    if (forgotten[i]![0] <= forgotten[i - 1]![0])
      return `what is forgotten is out of order at table ${forgotten[i]![0]}`;
  }
  const names = new Set<string>();
  for (const { name } of roots) {
    if (names.has(name)) return `it has root ${name} twice`;
    names.add(name);
  }
  return undefined;
}
