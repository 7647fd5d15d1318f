/** Policies of compaction: today's, and others to compare it with. */
import {
  bytesOf,
  COMPACTION,
  type Compaction,
  type CompactionOptions,
  pickCompaction,
} from '../lib/commit/pick-compaction.ts';
import type { Manifest, SstRef } from '../lib/manifest/manifest.ts';
import type { Policy } from './policies-model.ts';

const MIB = 1 << 20;

type Cuts = Partial<Pick<Policy, 'cutsTimes'>>;

export function leveled(name: string, options: CompactionOptions & Cuts = {}): Policy {
  const { sstBytes = COMPACTION.sstBytes, cutsTimes = true } = options;
  return { name, sstBytes, cutsTimes, pick: (manifest) => pickCompaction(manifest, options) };
}

/** So many runs of one size become one of the next; a run is one SST, however large. */
export function sizeTiered(name: string, fanIn: number): Policy {
  const pick = ({ l0 }: Manifest): Compaction | undefined => ofOneSize(l0, fanIn);
  return { name, sstBytes: Number.POSITIVE_INFINITY, cutsTimes: false, pick };
}

/** Size-tiered above, and one sorted run below: L0 goes down when it has so great a share of that. */
export function lazyLeveled(name: string, fanIn: number, share: number): Policy {
  const { sstBytes } = COMPACTION;
  const pick = (manifest: Manifest): Compaction | undefined => {
    const bottom = Math.max(bytesOf(manifest.levels[0] ?? []), 4 * sstBytes);
    if (bytesOf(manifest.l0) < share * bottom) return ofOneSize(manifest.l0, fanIn);
    return pickCompaction(manifest, { l0Trigger: 1, baseBytes: Number.MAX_SAFE_INTEGER });
  };
  return { name, sstBytes, cutsTimes: true, pick };
}

/** Leveled, but L0 SSTs come together by size until so many bytes go down at once. */
export function tieredL0(
  name: string,
  fanIn: number,
  downBytes: number,
  options: CompactionOptions & Cuts = {},
): Policy {
  const { sstBytes = COMPACTION.sstBytes, cutsTimes = true } = options;
  const pick = (manifest: Manifest): Compaction | undefined => {
    const due = bytesOf(manifest.l0) >= downBytes;
    if (due) return pickCompaction(manifest, { ...options, l0Trigger: 1 });
    return (
      ofOneSize(manifest.l0, fanIn) ?? pickCompaction(manifest, { ...options, l0Trigger: Number.MAX_SAFE_INTEGER })
    );
  };
  return { name, sstBytes, cutsTimes, pick };
}

/** The newest so many neighbours of about one size. */
function ofOneSize(l0: readonly SstRef[], fanIn: number): Compaction | undefined {
  const classOf = ({ size }: SstRef): number => Math.round(Math.log(size / MIB) / Math.log(fanIn));
  for (let i = 0; i + fanIn <= l0.length; i++) {
    const inputs = l0.slice(i, i + fanIn);
    if (inputs.every((sst) => classOf(sst) === classOf(inputs[0]!))) return { inputs, level: 0, move: false };
  }
  return undefined;
}
