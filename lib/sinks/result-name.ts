/** Reads the name of a result object, as `Names.out` of `object-store/names.ts` forms it. */
import { isName, numberOf } from '../object-store/names.ts';
import type { ResultName } from './sink.ts';

const OUT = /^([^/]+)\/e(\d+)\/out\/([^/]+)\/p(\d+)\/(\d{12})$/;

/** The output that sinks name: rows that operators of later stages set aside are of the one quarantine. */
export function namedOutput(output: string): string {
  return output.replace(/^(_quarantine)\.s\d+$/, '$1');
}

/** @param name without the store's prefix @returns `undefined`: it is no result */
export function parseResultName(name: string): ResultName | undefined {
  const [, job, epoch, output, partition] = OUT.exec(name) ?? [];
  if (job === undefined || !isName(job) || !isName(output!.replace(/^_/, ''))) return undefined;
  return { job, epoch: Number(epoch), output: output!, partition: Number(partition), n: numberOf(name) };
}
