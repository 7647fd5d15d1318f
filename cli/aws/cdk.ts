/**
 * Runs the CDK's own command line, as a child process, and tells its progress by resource counts. What it printed is kept
 * and shown only where it failed.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { MisaError } from '../../lib/errors.ts';
import { CdkEvents, type CdkProgress, plainReason } from './cdk-events.ts';
import type { CdkInstallation } from './peers.ts';

/** Lines of output kept for a failure. */
const KEPT_LINES = 400;
/** The step of a deployment that compares the job with its state. */
const ADMISSION = 'Custom::MisaAdmission';
/** Extension of the modules beside this one: built, or TypeScript in tests. */
const BESIDE = import.meta.url.endsWith('.js') ? '.js' : '.ts';

export interface CdkRun {
  /** What is being done, for messages: `deploying Misa-clicks`. */
  readonly doing: string;
  readonly args: readonly string[];
  /** Working directory: what is cached between runs is kept there. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress?: ((progress: CdkProgress) => void) | undefined;
  /** Ends the child; its process group too, if it has one of its own. */
  readonly signal?: AbortSignal | undefined;
  /** Has a process group of its own, so that an interrupt at the terminal does not reach it; ends with this process. */
  readonly apart?: boolean;
}

/**
 * @returns the events of a run that succeeded
 * @throws {MisaError} `DEPLOY_REFUSED`: a function of ours refused the change, `CDK_FAILED`: anything else, with the CDK's output
 */
export async function runCdk(cdk: CdkInstallation, run: CdkRun): Promise<CdkEvents> {
  run.signal?.throwIfAborted();
  const events = new CdkEvents();
  const lines: string[] = [];
  const watch = run.apart === true ? ['--import', new URL(`./end-with-parent${BESIDE}`, import.meta.url).href] : [];
  const child = spawn(process.execPath, [...watch, cdk.bin, ...run.args], {
    cwd: run.folder,
    env: { ...run.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', NO_COLOR: '1', FORCE_COLOR: '0' },
    stdio: [run.apart === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    detached: run.apart === true,
  });
  child.stdin?.on('error', () => {});
  const end = (): void => {
    try {
      if (run.apart && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      else child.kill('SIGTERM');
    } catch {
      // It ended by itself.
    }
  };
  run.signal?.addEventListener('abort', end, { once: true });
  const read = async (stream: Readable): Promise<void> => {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      if (events.line(line)) run.onProgress?.(events.progress);
    }
  };
  try {
    const ended = new Promise<number | string>((resolve, reject) => {
      child.on('error', reject).on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    });
    const [code] = await Promise.all([ended, read(child.stdout!), read(child.stderr!)]);
    run.signal?.throwIfAborted();
    if (code !== 0) throw cdkFailed(run.doing, code, events, lines);
    return events;
  } finally {
    run.signal?.removeEventListener('abort', end);
  }
}

function cdkFailed(doing: string, code: number | string, events: CdkEvents, lines: readonly string[]): MisaError {
  const refused = events.failed.find(({ type }) => type === ADMISSION);
  if (refused !== undefined) {
    const next =
      'To start over beside it, give the job another name; to lose the state, misa destroy JOB --delete-state first';
    return new MisaError(
      'DEPLOY_REFUSED',
      `${doing}: refused, and rolled back. ${plainReason(refused.reason)} ${next}.`,
    );
  }
  const [first] = events.failed;
  if (first !== undefined) {
    const what = `${first.path} (${first.type}): ${plainReason(first.reason)}`;
    return new MisaError(
      'CDK_FAILED',
      `${doing} failed, and was rolled back, at ${what}. Repair that and give the command again`,
    );
  }
  // The message of Misa's own app, if it wrote one: the job cannot be bundled, or a setting is wrong.
  const own = lines.map((line) => /^misa: (.+)/.exec(line)?.[1]).find((text) => text !== undefined);
  if (own !== undefined) return new MisaError('CDK_FAILED', `${doing}: ${own}`);
  return new MisaError('CDK_FAILED', `${doing} failed (the CDK ended with ${code}). It said:\n${tell(lines)}`);
}

/** The lines that help a person: without events, progress and repeated empty lines. */
function tell(lines: readonly string[]): string {
  const worth = lines.filter((line) => !/^\S+ \| +\d+\/\d+ \|/.test(line) && !/: (?:start|success): /.test(line));
  return worth
    .join('\n')
    .replace(/\n{2,}/g, '\n')
    .trim()
    .split('\n')
    .slice(-40)
    .map((line) => `  ${line}`)
    .join('\n');
}
