/**
 * The one way a manifest changes. Pure: manifest and edit in, manifest or conflict out; the caller makes it durable by
 * compare-and-set. Invariants: `version`, `through`, `collectedThrough`, `condemnedMs`, `publishedThrough`, `timeMs`, `closedTo`, `layoutVersion` and
 * each floor of `forgotten` only grow; a condemned SST is never named; compaction and collection leave the state that the SSTs mean as it is.
 *
 * ⚑ late-stamps: every edit stamps what earlier edits left unstamped (`atMs: null`) with the store's time of the read that
 * showed it, and leaves its own unstamped: a retention so begins after the compare-and-set that made the entry, never before.
 */
import { forgottenByBoth } from '../log/forgotten.ts';
import { type Conflict, type ConflictKind, type Edit, isConflict } from './edit.ts';
import { type Manifest, namedBy, type Root, type Skip, sstsOf } from './manifest.ts';
import { addTotals } from './totals.ts';

/** Nonces kept. A committer that slept through more edits than this finds its edit's effect instead. */
const MAX_NONCES = 32;
/** Stamps of folds kept; beyond that every second one goes, and its entries wait for the retention of the next. */
const MAX_FOLDS = 64;

export interface EditContext {
  /** Names this edit, unique. */
  readonly nonce: string;
  /** The store's time of an answer that showed `manifest`, epoch ms. */
  readonly seenAtMs: number;
}

type Changes = Partial<Manifest>;

/** @returns the manifest after the edit, or why it cannot be applied */
export function applyEdit(manifest: Manifest, edit: Edit, { nonce, seenAtMs }: EditContext): Manifest | Conflict {
  const stamp = <T extends { readonly atMs: number | null }>(entry: T): T =>
    entry.atMs === null ? { ...entry, atMs: seenAtMs } : entry;
  const stamped: Manifest = {
    ...manifest,
    version: manifest.version + 1,
    nonces: [...manifest.nonces, nonce].slice(-MAX_NONCES),
    folds: manifest.folds.map(stamp),
  };
  const changes = change(stamped, edit);
  return isConflict(changes) ? changes : { ...stamped, ...changes };
}

function change(manifest: Manifest, edit: Edit): Changes | Conflict {
  switch (edit.type) {
    case 'fold':
      return fold(manifest, edit);
    case 'compact':
      return compact(manifest, edit);
    case 'collect':
      return collect(manifest, edit);
    case 'halt':
      if (edit.halt.n <= manifest.through) return no('through', `batch ${edit.halt.n} is folded`);
      return { halted: edit.halt };
    case 'resume':
      return resume(manifest, edit.skip);
    case 'published':
      return { publishedThrough: Math.max(manifest.publishedThrough, edit.through) };
    case 'setRoot':
      return setRoot(manifest, edit);
    case 'removeRoot':
      return { roots: manifest.roots.filter((root) => root.name !== edit.name) };
  }
}

function fold(manifest: Manifest, edit: Edit & { type: 'fold' }): Changes | Conflict {
  const { through, publishedThrough } = manifest;
  if (through !== edit.after) return no('through', `folded through ${through}, not ${edit.after}`);
  if (edit.through <= edit.after) return no('through', `nothing to fold after ${edit.after}`);
  if (edit.sst !== null && edit.writtenAfterMs < manifest.condemnedMs) return condemned(edit.sst.id);
  return {
    through: edit.through,
    logHash: edit.logHash,
    folds: thinned([...manifest.folds, { through: edit.through, atMs: null }]),
    l0: edit.sst === null ? manifest.l0 : [edit.sst, ...manifest.l0],
    publishedThrough: Math.max(publishedThrough, edit.publishedThrough),
    // What it could not run it has run by now.
    ...(manifest.halted !== null && manifest.halted.n <= edit.through ? { halted: null } : {}),
    ...(edit.timeMs === undefined ? {} : { timeMs: Math.max(manifest.timeMs ?? edit.timeMs, edit.timeMs) }),
    ...(manifest.skips === undefined ? {} : { skips: manifest.skips.filter((s) => isAhead(s, edit.through)) }),
    ...(edit.closedTo === undefined ? {} : { closedTo: Math.max(manifest.closedTo ?? edit.closedTo, edit.closedTo) }),
    ...(edit.layoutVersion === undefined
      ? {}
      : { layoutVersion: Math.max(manifest.layoutVersion ?? 1, edit.layoutVersion) }),
    ...(edit.wakeMs === undefined && manifest.wakeMs === undefined ? {} : { wakeMs: edit.wakeMs }),
    // The floors belong to the SSTs: both are as of `through`.
    ...(edit.forgotten === undefined ? {} : { forgotten: forgottenByBoth(manifest.forgotten ?? [], edit.forgotten) }),
    ...(edit.totals === undefined ? {} : { totals: addTotals(manifest.totals, edit.totals) }),
  };
}

function resume({ skips = [] }: Manifest, skip: Skip | undefined): Changes {
  return skip === undefined ? { halted: null } : { halted: null, skips: [...skips, skip] };
}

/** Rows that are skipped: in a partition those of batches to come; in the planner's manifest all, as files may be read again. */
function isAhead({ place, n }: Skip, through: number): boolean {
  return place === undefined || n > through;
}

/** Half as many, if they are too many: the newest stays, and what goes was to be kept shorter than its successor. */
function thinned(folds: Manifest['folds']): Manifest['folds'] {
  if (folds.length <= MAX_FOLDS) return folds;
  return folds.filter((_, i) => i % 2 === 0 || i === folds.length - 1);
}

function compact(manifest: Manifest, edit: Edit & { type: 'compact' }): Changes | Conflict {
  const { inputs, outputs, writtenAfterMs, level } = edit;
  const isInput = idSet(inputs);
  const found = sstsOf(manifest).filter(isInput);
  if (found.length !== inputs.length || found.some((sst, i) => sst.id !== inputs[i])) {
    return no('inputs', `of ${inputs.length} inputs ${found.length} are there in order`);
  }
  const written = outputs.find((sst) => !isInput(sst));
  if (written !== undefined && writtenAfterMs < manifest.condemnedMs) return condemned(written.id);

  const first = manifest.l0.findIndex(isInput);
  const fromL0 = manifest.l0.filter(isInput).length;
  const adjacent = first < 0 || manifest.l0.slice(first, first + fromL0).every(isInput);
  const oldest = first < 0 || first + fromL0 === manifest.l0.length;
  const elsewhere = manifest.levels.some((ssts, i) => i + 1 !== level && i + 2 !== level && ssts.some(isInput));
  // An older L0 SST left behind would lie above the newer one that went down.
  const ordered = level === 0 ? adjacent && outputs.length <= 1 : oldest && (fromL0 === 0 || level === 1);
  if (elsewhere || !ordered) return no('inputs', `these inputs cannot go to L${level} in this order`);

  const others = manifest.l0.filter((sst) => !isInput(sst));
  const l0 = level === 0 ? [...others.slice(0, first), ...outputs, ...others.slice(first)] : others;
  const levels = manifest.levels.map((ssts) => ssts.filter((sst) => !isInput(sst)));
  if (level > 0) {
    while (levels.length < level) levels.push([]);
    const merged = [...levels[level - 1]!, ...outputs].sort((a, b) => (a.minKey < b.minKey ? -1 : 1));
    for (let i = 1; i < merged.length; i++) {
      const [a, b] = [merged[i - 1]!, merged[i]!];
      if (a.maxKey >= b.minKey) return no('overlap', `SSTs ${a.id} and ${b.id} overlap in L${level}`);
    }
    levels[level - 1] = merged;
  }
  while (levels.at(-1)?.length === 0) levels.pop();
  return { l0, levels };
}

function collect(manifest: Manifest, edit: Edit & { type: 'collect' }): Changes {
  const collectedThrough = Math.max(manifest.collectedThrough, Math.min(edit.collectedThrough, manifest.through));
  return {
    condemnedMs: Math.max(manifest.condemnedMs, edit.condemnedMs),
    collectedThrough,
    folds: manifest.folds.filter((f) => f.through > collectedThrough),
  };
}

function setRoot(manifest: Manifest, { name, ssts, forgotten }: Root): Changes | Conflict {
  const named = namedBy(manifest);
  const lost = ssts.find((id) => !named.has(id));
  if (lost !== undefined) return no('gone', `SST ${lost} is not named any more`);
  const others = manifest.roots.filter((root) => root.name !== name);
  return { roots: [...others, forgotten === undefined ? { name, ssts } : { name, ssts, forgotten }] };
}

function condemned(id: string): Conflict {
  return no('condemned', `SST ${id} may have been condemned since it was written`);
}

function idSet(ids: readonly string[]): (of: { readonly id: string }) => boolean {
  const set = new Set(ids);
  return ({ id }) => set.has(id);
}

function no(conflict: ConflictKind, reason: string): Conflict {
  return { conflict, reason };
}
