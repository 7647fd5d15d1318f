/** Options and arguments that several commands have: one wording, one check. */
import { Option } from 'commander';
import { UsageError } from './failure.ts';

export const storeOption = (): Option =>
  new Option('--store <where>', 'directory, or s3://bucket/prefix, that holds the state').default('.misa');
export const endpointOption = (): Option =>
  new Option('--endpoint <url>', 'of an S3-compatible service other than AWS');
export const stackOption = (): Option =>
  new Option('--stack [name]', 'a deployed job, by its stack (default: Misa-JOB); its store is found there').conflicts(
    'store',
  );
export const yesOption = (): Option => new Option('-y, --yes', 'do not ask').default(false);
export const jsonOption = (text: string): Option => new Option('--json', text);

export function gather(value: string, before: string[]): string[] {
  return [...before, value];
}

export function positive(text: string): number {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < 1) throw new UsageError(`'${text}' is not a whole number above 0`);
  return n;
}
