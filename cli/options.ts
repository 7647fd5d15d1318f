/** Options and arguments that several commands have: one wording, one check. */
import { type Command, Option } from 'commander';
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

/** Where results go, and in which form: what `parseOutput` takes. */
export function addOutputOptions(command: Command): Command {
  return command
    .option(
      '-o, --output <dir>',
      'directory for the results; - for standard output; given again as the word table: tables are kept as one file',
      gather,
    )
    .addOption(
      new Option('--output-format <format>', 'of result files (default: ndjson)').choices(['ndjson', 'parquet', 'csv']),
    )
    .addOption(
      new Option(
        '--output-layout <layout>',
        'a folder an output, or all in one (default without these options)',
      ).choices(['folders', 'flat']),
    )
    .option('--output-columns <column=kind>', 'kinds of columns in Parquet that are not to be inferred', gather)
    .option('--roll-bytes <size>', 'gather batches into files of this size, such as 64MB')
    .option('--roll-interval <duration>', "gather batches for so long, such as '10 min'")
    .option('--with-batch', 'add the columns _batch, _partition and _row, which order the versions of a row')
    .addOption(
      new Option(
        '--output-begin <where>',
        'of a new directory, where results are not kept for ever: at the first batch (default), or the first that is kept',
      ).choices(['first', 'kept']),
    )
    .option('--table-key <columns>', 'columns that tell the rows of a table apart (default: as in the job)');
}

export function gather(value: string, before: string[] = []): string[] {
  return [...before, value];
}

export function positive(text: string): number {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < 1) throw new UsageError(`'${text}' is not a whole number above 0`);
  return n;
}
