#!/usr/bin/env node
/**
 * The command line, `misa`. Only commander is loaded before a command is chosen; each command imports what it needs when
 * it runs, so that `misa --help` is quick. What fails is reported in one place, with its exit code.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { addDeployedCommands } from './deployed-commands.ts';
import { EXIT_OK, EXIT_USAGE, exitCode, failureText, UsageError } from './failure.ts';
import { addOutputOptions, endpointOption, gather, jsonOption, positive, stackOption, storeOption } from './options.ts';

const LATER = ['checkpoint', 'metrics', 'init', 'ui'];

function program(): Command {
  const misa = new Command('misa')
    .description('Stateful stream processing in micro-batches, with its state in an object store.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .configureOutput({ outputError: (text, write) => write(`misa: ${text.replace(/^error: /, '')}`) })
    .showSuggestionAfterError()
    .exitOverride();
  addRun(misa);
  addCheck(misa);
  addStatus(misa);
  addState(misa);
  addTimeline(misa);
  addResume(misa);
  addDeployedCommands(misa);
  for (const name of LATER) addLater(misa, name);
  addHelp(misa);
  return misa;
}

function addRun(misa: Command): void {
  const run = misa
    .command('run')
    .description('run a job over files; goes on where the last run ended')
    .argument('<job>', 'module whose default export is the job, such as job.ts')
    .option(
      '-i, --input <source=files>',
      'files of a source: a path, s3://bucket/key, or a glob of either, or - for standard input; may be given again',
      gather,
      [],
    )
    .addOption(
      new Option('--input-format <format>', 'of standard input (default: ndjson)').choices(['ndjson', 'csv', 'tsv']),
    );
  addOutputOptions(run)
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(new Option('--commit <mode>', 'override the job').choices(['async', 'sync']))
    .addOption(new Option('--preload <what>', 'override the job').choices(['off', 'metadata', 'keys']))
    .addOption(new Option('--batch-rows <n>', 'rows of a micro-batch at most; overrides the job').argParser(positive))
    .addOption(
      new Option('--moved <what>', 'files whose content was read under another name (default: stop, and ask)').choices([
        'skip',
        'read',
      ]),
    )
    .option('--watch', 'wait for new files and new lines when all is read', false)
    .option('--flush', 'close all windows and fire all timers when all is read, or watching is stopped', false)
    .addOption(jsonOption('one JSON object a line, for programs').default(false))
    .addHelpText(
      'after',
      `
Examples:
  misa run job.ts --input flights='data/*.ndjson.gz' --output results
  misa run job.ts --input orders=orders.csv --input users=users.parquet | jq .
  misa run job.ts --input flights='s3://my-data/flights/2026-*.ndjson.gz' --output results
  tail -f orders.ndjson | misa run job.ts --input orders=-`,
    )
    .action(async (job, options) => (await import('./commands/run.ts')).runCommand(job, options));
}

function addCheck(misa: Command): void {
  misa
    .command('check')
    .description('what a job is, and what going on from its stored state would mean; changes nothing')
    .argument('<job>', 'module whose default export is the job, such as job.ts')
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(stackOption())
    .addOption(jsonOption('one JSON object').default(false))
    .addHelpText(
      'after',
      `
Examples:
  misa check job.ts                         beside the state that misa run has left
  misa check job.ts --stack                 before misa deploy`,
    )
    .action(async (job, options) => (await import('./commands/check.ts')).checkCommand(job, options));
}

function addStatus(misa: Command): void {
  misa
    .command('status')
    .description('what is committed, folded and stored of a job')
    .argument('<job>', 'name of a job, or its module')
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(stackOption())
    .addOption(jsonOption('one JSON object').default(false))
    .addHelpText(
      'after',
      `
Examples:
  misa status departures
  misa status departures --stack            deployed by misa deploy: its queues, too`,
    )
    .action(async (job, options) => (await import('./commands/status.ts')).statusCommand(job, options));
}

function addState(misa: Command): void {
  const state = misa.command('state').description('look into the state of a job').helpCommand(false);
  state
    .usage('[options] <command>')
    .argument('[command]')
    .action((command?: string) => {
      if (command === undefined) state.help({ error: true });
      throw new UsageError(`unknown command 'state ${command}': state get, scan or stats`);
    });
  state
    .command('get')
    .description('the rows of one key')
    .argument('<job>', 'name of a job, or its module')
    .argument('<key>', 'the key: text, or JSON for numbers and arrays')
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(stackOption())
    .addOption(jsonOption('one JSON object a row').default(false))
    .action(async (job, key, options) => (await import('./commands/state.ts')).stateGet(job, key, options));
  state
    .command('scan')
    .description('the rows of the state, in order')
    .argument('<job>', 'name of a job, or its module')
    .option('--prefix <text>', 'only keys that begin with this')
    .addOption(new Option('--limit <n>', 'rows at most').argParser(positive).default(100))
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(stackOption())
    .addOption(jsonOption('one JSON object a row').default(false))
    .action(async (job, options) => (await import('./commands/state.ts')).stateScan(job, options));
  state
    .command('stats')
    .description('how much state there is, and where')
    .argument('<job>', 'name of a job, or its module')
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(stackOption())
    .addOption(jsonOption('one JSON object').default(false))
    .action(async (job, options) => (await import('./commands/state.ts')).stateStats(job, options));
}

function addTimeline(misa: Command): void {
  misa
    .command('timeline')
    .description('draw the last run: batches, log, folds and compactions over time')
    .argument('<job>', 'name of a job, or its module')
    .option('-o, --output <file>', 'HTML file to write (default: JOB-timeline.html)')
    .option('--run <id>', 'another run than the last')
    .option('--compare <store>', 'store whose last run is drawn below; may be given again', gather, [])
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(stackOption())
    .action(async (job, options) => (await import('./commands/timeline.ts')).timelineCommand({ job, ...options }));
}

function addResume(misa: Command): void {
  misa
    .command('resume')
    .description('let halted partitions go on, when what halted them is repaired')
    .argument('<job>', 'name of a job, or its module')
    .option('--partition <path>', 'only this one, such as s0/p1')
    .option('--skip-row', 'set the row aside that a batch failed at', false)
    .addOption(storeOption())
    .addOption(endpointOption())
    .addOption(stackOption())
    .addOption(jsonOption('one JSON object').default(false))
    .action(async (job, options) => (await import('./commands/resume.ts')).resumeCommand(job, options));
}

/** The `help` command; unlike commander's own it refuses an unknown command instead of showing the general help. */
function addHelp(misa: Command): void {
  misa
    .command('help')
    .description('print help for a command')
    .argument('[command]')
    .action((name?: string) => {
      const command = name === undefined ? misa : misa.commands.find((c) => c.name() === name);
      if (command === undefined) throw new UsageError(`unknown command '${name}'. What there is: misa --help`);
      command.help();
    });
}

/** Planned commands: not in the help, but answered with a clear message. */
function addLater(misa: Command, name: string): void {
  misa
    .command(name, { hidden: true })
    .allowUnknownOption()
    .allowExcessArguments()
    .argument('[arguments...]')
    .action(() => {
      throw new UsageError(`'misa ${name}' is not built yet. What there is: misa --help`);
    });
}

function version(): string {
  // From cli/ or dist/cli/.
  const up = import.meta.url.endsWith('.js') ? '../../package.json' : '../package.json';
  return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
}

// Who reads along may have seen enough (`misa status | head -1`). That is no failure: what is left to say goes nowhere, and
// the command does what it was told.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

try {
  await program().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  } else {
    process.stderr.write(failureText(error));
    process.exitCode = exitCode(error);
  }
}
