/**
 * Reads what the CDK prints: how many resources of a stack are done, which phase it is in, which resource failed and why.
 * Its event lines look like
 *
 *     Misa-clicks |  3/41 | 4:24:11 AM | CREATE_FAILED  | AWS::CloudFormation::CustomResource | Job/Default (Job) the reason
 *
 * What is not understood is no loss: progress is for people, the exit code decides.
 */

export interface CdkProgress {
  readonly phase: 'synthesis' | 'assets' | 'changes' | 'resources';
  /** Of resources; 0 of 0 before the first. */
  readonly done: number;
  readonly total: number;
  /** Resource that changed last: its type without `AWS::`, and its path. */
  readonly latest: string | undefined;
}

export interface FailedResource {
  readonly type: string;
  /** Path of the construct. */
  readonly path: string;
  readonly reason: string;
}

const EVENT = /^(\S+) \| +(\d+)\/(\d+) +\| [^|]+ \| (\w+) +\| (\S+) +\| (.*)$/;
const FAILED = /^(\S+) \| [^|]+ \| (\w+_FAILED) +\| (\S+) +\| (.*)$/;

export class CdkEvents {
  #progress: CdkProgress = { phase: 'synthesis', done: 0, total: 0, latest: undefined };
  readonly #failed = new Map<string, FailedResource>();
  #unchanged = false;

  get progress(): CdkProgress {
    return this.#progress;
  }

  /** Resources that failed by themselves, not because another one failed; oldest first. */
  get failed(): readonly FailedResource[] {
    return [...this.#failed.values()];
  }

  /** The stack was up to date. */
  get unchanged(): boolean {
    return this.#unchanged;
  }

  /** @returns whether the progress changed */
  line(text: string): boolean {
    const event = EVENT.exec(text);
    if (event !== null) {
      const [, , done, total, status, type, rest] = event;
      this.#note(status!, type!, rest!);
      const { path } = place(rest!);
      const latest = type === 'AWS::CloudFormation::Stack' ? this.#progress.latest : `${short(type!)} ${path}`;
      // Resources that are deleted after an update count beyond the total.
      this.#progress = {
        phase: 'resources',
        done: Math.min(Number(done), Number(total)),
        total: Number(total),
        latest,
      };
      return true;
    }
    const failed = FAILED.exec(text);
    if (failed !== null) this.#note(failed[2]!, failed[3]!, failed[4]!);
    if (/\(no changes\)/.test(text)) this.#unchanged = true;
    const phase = phaseOf(text);
    if (phase === undefined || phase === this.#progress.phase) return false;
    this.#progress = { ...this.#progress, phase };
    return true;
  }

  #note(status: string, type: string, rest: string): void {
    const { path, reason } = place(rest);
    const because = /^Resource (?:creation|update|deletion) cancelled/i.test(reason);
    if (!status.endsWith('_FAILED') || reason === '' || because || this.#failed.has(path)) return;
    this.#failed.set(path, { type, path, reason });
  }
}

/** `Job/Default (JobFile1234) reason` or `LogicalId reason`. */
function place(rest: string): { path: string; reason: string } {
  const [, path = '', reason = ''] = /^(\S+)(?: \([A-Za-z0-9]+\))? ?(.*)$/.exec(rest.trim()) ?? [];
  return { path, reason: reason.trim() };
}

function short(type: string): string {
  return type.replace(/^AWS::/, '').replaceAll('::', ' ');
}

function phaseOf(text: string): CdkProgress['phase'] | undefined {
  if (/: start: (?:Building|Publishing)/.test(text)) return 'assets';
  if (/: creating CloudFormation changeset/.test(text)) return 'changes';
  return undefined;
}

/** One line for people. */
export function progressText({ phase, done, total, latest }: CdkProgress): string {
  if (phase === 'synthesis') return 'preparing';
  if (phase === 'assets') return 'uploading code and templates';
  if (total === 0) return 'comparing with what is there';
  return `${done}/${total} resources${latest === undefined ? '' : ` · ${latest}`}`;
}

/**
 * What a reason of CloudFormation says beside its own words: it wraps the answer of a function in the function's error, and
 * adds the request's id.
 */
export function plainReason(reason: string): string {
  return reason
    .replace(/^Received response status \[FAILED\] from custom resource\. Message returned: /, '')
    .replace(/\s*\(RequestId: [^)]*\)\s*$/, '')
    .replace(/\s*See the details in CloudWatch Log Stream: \S+\s*/, ' ')
    .trim();
}
