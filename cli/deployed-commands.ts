/** Commands for jobs that are deployed, to AWS or to a local one: their arguments, and their help. */
import { type Command, Option } from 'commander';
import { addOutputOptions, gather, jsonOption, positive, yesOption } from './options.ts';

export function addDeployedCommands(misa: Command): void {
  addDev(misa);
  addDeploy(misa);
  addDestroy(misa);
  addSend(misa);
}

function addDev(misa: Command): void {
  const dev = misa
    .command('dev')
    .description('deploy a job to an AWS of its own on this machine, and run it there')
    .argument('<job>', 'module whose default export is the job, such as job.ts')
    .option('-i, --input <source=files>', 'files to send: a path or a glob; may be given again', gather, []);
  addOutputOptions(dev)
    .option('--once', 'end when all input is processed', false)
    .option('--flush', 'close all windows and fire all timers when all input is planned', false)
    .addOption(new Option('--partitions <n>', 'override the job').argParser(positive))
    .option('--trace', 'record what misa timeline draws', false)
    .addOption(
      new Option('--aws <cloud>', 'which local AWS; localstack needs Python 3.11')
        .choices(['ministack', 'localstack'])
        .default('ministack'),
    )
    .addOption(new Option('--port <n>', 'of the local AWS (default: a free one)').argParser(positive))
    .option('--keep', 'when done, or failed, keep the local AWS until Ctrl-C', false)
    .addOption(jsonOption('one JSON object a line, for programs').default(false))
    .addHelpText(
      'after',
      `
Needs Python 3.10 or newer, and aws-cdk, aws-cdk-lib and constructs beside Misa. AWS itself is never asked.

Examples:
  misa dev job.ts --input flights='data/*.ndjson.gz' --once --flush --output results
  misa dev job.ts                           follows until Ctrl-C; send from another terminal`,
    )
    .action(async (job, options) => (await import('./commands/dev.ts')).devCommand(job, options));
}

function addDeploy(misa: Command): void {
  misa
    .command('deploy')
    .description('deploy a job to AWS, with the CDK, as stack Misa-JOB')
    .argument('<job>', 'module whose default export is the job, such as job.ts')
    .addOption(new Option('--partitions <n>', 'override the job; fixed once it has state').argParser(positive))
    .option('--trace', 'record what misa timeline draws', false)
    .addOption(yesOption())
    .addOption(jsonOption('one JSON object a line, for programs').default(false))
    .addHelpText(
      'after',
      `
Account and region are those of the environment: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL.

Examples:
  misa deploy job.ts
  AWS_PROFILE=work AWS_REGION=eu-west-1 misa deploy job.ts --partitions 8 --yes`,
    )
    .action(async (job, options) => (await import('./commands/deploy.ts')).deployCommand(job, options));
}

function addDestroy(misa: Command): void {
  misa
    .command('destroy')
    .description('take a deployed job down; its state stays')
    .argument('<job>', 'name of a job, or its module')
    .option('--stack <name>', 'its stack (default: Misa-JOB)')
    .option('--delete-state', 'delete state, results and input, too', false)
    .addOption(yesOption())
    .addOption(jsonOption('one JSON object a line, for programs').default(false))
    .addHelpText(
      'after',
      `
Examples:
  misa destroy departures
  misa destroy departures --delete-state --yes`,
    )
    .action(async (job, options) => (await import('./commands/destroy.ts')).destroyCommand(job, options));
}

function addSend(misa: Command): void {
  misa
    .command('send')
    .description('give a deployed job input')
    .argument('<source>', 'of the job')
    .argument('<files...>', 'paths or globs; - for NDJSON on standard input')
    .option('--job <name>', 'name of the job, or its module (default: the only one deployed)')
    .option('--stack <name>', 'its stack (default: Misa-JOB)')
    .option('--records', 'send the rows as messages, not the files as objects', false)
    .option('--flush', 'when all of it is planned, close all windows and fire all timers', false)
    .addOption(jsonOption('one JSON object a line, for programs').default(false))
    .addHelpText(
      'after',
      `
Examples:
  misa send flights 'data/*.ndjson.gz'
  misa send flights january.csv --job departures --flush
  tail -f events.ndjson | misa send events -`,
    )
    .action(async (source, files, options) => (await import('./commands/send.ts')).sendCommand(source, files, options));
}
