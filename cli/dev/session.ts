/**
 * One run of `misa dev`: a folder of its own for what its local AWS leaves behind, with a file that says which processes
 * belong to it. What a killed run left is found by that file at the next start, and ended.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { cacheFolder } from '../aws/cache-folder.ts';

const FILE = 'session.json';

export interface SessionFacts {
  /** Of `misa dev`. */
  readonly pid: number;
  readonly job: string;
  /** Of the local AWS; its children are in its process group. */
  readonly awsPid?: number;
  /** Answers while the local AWS is there. */
  readonly healthUrl?: string;
}

export class Session {
  readonly folder: string;
  #facts: SessionFacts;

  private constructor(folder: string, facts: SessionFacts) {
    this.folder = folder;
    this.#facts = facts;
    this.#write();
  }

  static begin(job: string): Session {
    const folder = path.join(sessionsFolder(), `${process.pid}-${systemRandom.id().slice(0, 6)}`);
    mkdirSync(path.join(folder, 'tmp'), { recursive: true });
    return new Session(folder, { pid: process.pid, job });
  }

  /** Where the local AWS unpacks functions. */
  get temporary(): string {
    return path.join(this.folder, 'tmp');
  }

  add(facts: Partial<SessionFacts>): void {
    this.#facts = { ...this.#facts, ...facts };
    this.#write();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #write(): void {
    writeFileSync(path.join(this.folder, FILE), `${JSON.stringify(this.#facts)}\n`);
  }
}

function sessionsFolder(): string {
  return cacheFolder('dev', 'sessions');
}

/**
 * Ends what killed runs left, and removes their folders.
 * @returns those whose local AWS was still there
 */
export async function cleanUp(): Promise<SessionFacts[]> {
  const ended: SessionFacts[] = [];
  for (const name of readdirSync(sessionsFolder())) {
    const folder = path.join(sessionsFolder(), name);
    const facts = readFacts(folder);
    if (isAlive(facts?.pid ?? Number(/^\d+/.exec(name)?.[0] ?? 0))) continue;
    if (facts?.awsPid !== undefined && isAlive(facts.awsPid) && (await answers(facts.healthUrl))) {
      await endGroup(facts.awsPid);
      ended.push(facts);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  return ended;
}

function readFacts(folder: string): SessionFacts | undefined {
  try {
    return JSON.parse(readFileSync(path.join(folder, FILE), 'utf8')) as SessionFacts;
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether a local AWS is there: a process id alone may by now be another program's. */
async function answers(healthUrl: string | undefined): Promise<boolean> {
  if (healthUrl === undefined) return false;
  try {
    const answer = await fetch(healthUrl, { signal: AbortSignal.timeout(2000) });
    return answer.ok;
  } catch {
    return false;
  }
}

/** Ends a process and its children: first by SIGTERM, then by SIGKILL. */
export async function endGroup(pid: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    send(pid, signal);
    for (let waitedMs = 0; waitedMs < 3000; waitedMs += 100) {
      if (!isAlive(pid)) break;
      await systemClock.sleep(100);
    }
    if (!isAlive(pid)) break;
  }
  // Its children may take longer to end.
  send(pid, 'SIGKILL');
}

function send(pid: number, signal: NodeJS.Signals): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
    } catch {
      // It has ended, or has no group of its own.
    }
  }
}
