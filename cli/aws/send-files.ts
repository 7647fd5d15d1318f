/** Uploads the files of a job's sources, one after the other, with progress. */
import type { FileRef } from '../../lib/source/index.ts';
import { s3Path } from '../../lib/source/s3-object.ts';
import type { PlannedName } from '../state/planned-objects.ts';
import type { Steps } from '../steps.ts';
import { bytes, count, number } from '../text.ts';
import type { DeployedJob } from './deployed-job.ts';
import { outputOf } from './stack.ts';
import { type Uploaded, Uploader, uploadPlace } from './upload.ts';

/** Uploads files of sources, in order. Empty files have no rows and are left out. */
export async function uploadFiles(
  job: DeployedJob,
  inputs: Iterable<readonly [source: string, files: readonly FileRef[]]>,
  steps: Steps,
  signal?: AbortSignal,
): Promise<Uploaded[]> {
  const all = [...inputs].flatMap(([source, files]) => files.map((file) => ({ source, file })));
  for (const { file } of all) if (file.size === 0) steps.note(`${file.path} is empty: there is nothing to send of it`);
  const wanted = all.filter(({ file }) => file.size > 0);
  const total = wanted.reduce((sum, { file }) => sum + file.size, 0);
  const uploader = await Uploader.open(uploadPlace(outputOf(job.stack, 'InputPrefix')));
  const uploaded: Uploaded[] = [];
  let before = 0;
  try {
    for (const { source, file } of wanted) {
      const show = (sent: number): void => {
        const files = `${number(uploaded.length + 1)} of ${count(wanted.length, 'file')}`;
        steps.at(`${files} · ${bytes(before + sent)} of ${bytes(total)}`);
      };
      uploaded.push(await uploader.send(source, file, show, signal));
      before += file.size;
    }
  } finally {
    uploader.close();
  }
  return uploaded;
}

/** The names by which the planner will know them. */
export function plannedNames(uploaded: readonly Uploaded[]): PlannedName[] {
  return uploaded.map(({ source, bucket, key }) => ({ source, name: s3Path(bucket, key) }));
}
