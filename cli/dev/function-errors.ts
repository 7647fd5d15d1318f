/**
 * Errors of functions, found in their logs: the structured lines of level ERROR, and what a runtime writes of an error that
 * nobody caught.
 */
import type { StackResource } from '../aws/stack.ts';
import { type LogLine, logLines } from './local-calls.ts';

export interface FunctionError {
  /** `batch`, `ingest`, … as far as it is known. */
  readonly function: string;
  readonly message: string;
  /** Trying again does not help: the job, or its input, must be changed, and nothing else will say so. */
  readonly final: boolean;
}

/** A batch function says this first and then halts its partition, and that says more: which batch, why, and what to do. */
const HALTS = /^partition \S+ is halted at batch /;

/** Classes of errors that no retry helps. */
const FINAL = new Set(['InputError', 'JobError', 'UserFunctionError', 'CorruptionError']);

export class FunctionErrors {
  readonly #endpoint: string;
  readonly #groups: readonly string[];
  /** By log group: the time of the last line seen, and how many lines of that time were seen. */
  readonly #seen = new Map<string, { timeMs: number; lines: number }>();

  constructor(endpoint: string, resources: readonly StackResource[]) {
    this.#endpoint = endpoint;
    this.#groups = resources.filter(({ type }) => type === 'AWS::Logs::LogGroup').map(({ id }) => id);
  }

  /** Errors since the last call. */
  async next(): Promise<FunctionError[]> {
    const found = await Promise.all(this.#groups.map((group) => this.#nextOf(group)));
    return found.flat();
  }

  async #nextOf(group: string): Promise<FunctionError[]> {
    const seen = this.#seen.get(group) ?? { timeMs: 0, lines: 0 };
    const lines = (await logLines(this.#endpoint, group, seen.timeMs)).filter(({ timeMs }) => timeMs >= seen.timeMs);
    const from = Math.min(seen.lines, lines.filter(({ timeMs }) => timeMs === seen.timeMs).length);
    const last = lines.at(-1);
    if (last === undefined) return [];
    const lastLines = lines.filter(({ timeMs }) => timeMs === last.timeMs).length;
    this.#seen.set(group, { timeMs: last.timeMs, lines: lastLines });
    return errorsIn(lines.slice(from));
  }
}

/** @param lines of one log group, in order */
export function errorsIn(lines: readonly LogLine[]): FunctionError[] {
  return lines.flatMap(({ group, text }) => {
    if (text.startsWith('{')) return structured(group, text);
    const thrown = /^(?:Uncaught )?([A-Za-z]*Error): (.+)$/.exec(text);
    const killed = /Task timed out after [\d.]+ seconds|Runtime exited with(?:out| error: ).+/.exec(text);
    const message = killed?.[0] ?? thrown?.[2];
    if (message === undefined) return uncaught(group, text);
    return [{ function: ofGroup(group), message, final: thrown !== null && FINAL.has(thrown[1]!) }];
  });
}

/** What node's runtime in Lambda writes of what a handler threw. */
function uncaught(group: string, text: string): FunctionError[] {
  const json = /\bERROR\tInvoke Error\s+(\{.*\})$/.exec(text)?.[1];
  if (json === undefined) return [];
  try {
    const { errorType = '', errorMessage = '' } = JSON.parse(json) as { errorType?: string; errorMessage?: string };
    return [{ function: ofGroup(group), message: errorMessage, final: FINAL.has(errorType) }];
  } catch {
    return [];
  }
}

interface LogEvent {
  readonly level?: string;
  readonly message?: string;
  readonly function?: string;
  readonly stage?: string;
  readonly partition?: string;
  readonly error?: { readonly name?: string; readonly message?: string; readonly retryable?: boolean };
}

function structured(group: string, text: string): FunctionError[] {
  let event: LogEvent;
  try {
    event = JSON.parse(text) as LogEvent;
  } catch {
    return [];
  }
  if (event.level !== 'ERROR' && event.level !== 'CRITICAL') return [];
  const { message = '', error, stage, partition } = event;
  const name = event.function ?? ofGroup(group);
  const place = stage === undefined ? '' : ` s${stage}/p${partition}`;
  const said = [message, error?.message].filter(Boolean).join(': ');
  const final = FINAL.has(error?.name ?? '') && error?.retryable !== true && !HALTS.test(message);
  return [{ function: `${name}${place}`, message: said, final }];
}

/** `Ingest` of `/aws/cloudformation/Misa-clicks/JobIngestLogs1234ABCD`. */
function ofGroup(group: string): string {
  return group
    .slice(group.lastIndexOf('/') + 1)
    .replace(/[0-9A-F]{8}$/, '')
    .replace(/Logs$/, '')
    .replace(/^Job/, '');
}
