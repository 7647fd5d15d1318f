/** Runs the built command line (`npm test` builds first) as a user does: a child process in a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = path.join(REPOSITORY, 'dist/cli/main.js');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** All of standard output and error so far. */
  text(): string;
  /** Resolves when standard output or error has the text. */
  seen(text: string): Promise<void>;
}

/** A directory that is deleted at the end of the test file, with what tests do in it. */
export class Workspace {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'misa-cli-'));

  path(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content);
    return this.path(name);
  }

  start(
    args: readonly string[],
    env: Record<string, string> = {},
    stdin: 'pipe' | 'ignore' = args.includes('-') ? 'pipe' : 'ignore',
  ): Started {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.directory,
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: [stdin, 'pipe', 'pipe'],
    });
    const text = { stdout: '', stderr: '' };
    const watchers: (() => void)[] = [];
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]!.setEncoding('utf8').on('data', (chunk: string) => {
        text[stream] += chunk;
        for (const watcher of watchers) watcher();
      });
    }
    const finished = new Promise<Finished>((resolve) => child.on('close', (code) => resolve({ code, ...text })));
    const seen = (wanted: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if ((text.stdout + text.stderr).includes(wanted)) resolve();
        };
        watchers.push(look);
        look();
        void finished.then(() => reject(new Error(`ended without '${wanted}': ${text.stdout}${text.stderr}`)));
      });
    return { child, finished, text: () => text.stdout + text.stderr, seen };
  }

  run(...args: string[]): Promise<Finished> {
    return this.start(args).finished;
  }

  /** All rows of an output's files, in no order; [] where there is no file. */
  results(output: string, directory = 'out'): unknown[] {
    return readdirSync(this.path(directory))
      .filter((name) => name.startsWith(`${output}-`) && name.endsWith('.ndjson'))
      .sort()
      .flatMap((name) => parseLines(readFileSync(this.path(directory, name), 'utf8')));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Makes workspaces, and removes all of them. */
export function workspaces(): { workspace: () => Workspace; removeAll: () => void } {
  const spaces: Workspace[] = [];
  const workspace = (): Workspace => {
    const space = new Workspace();
    spaces.push(space);
    return space;
  };
  return { workspace, removeAll: () => spaces.forEach((space) => void space.remove()) };
}

export function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export const MINUTE = 60_000;

/** One row a second for `count` seconds, of two users. */
export function clicks(count: number, fromSecond = 0): { at: number; user: string; n: number }[] {
  return Array.from({ length: count }, (_, i) => ({
    at: (fromSecond + i) * 1000,
    user: (fromSecond + i) % 2 === 0 ? 'ann' : 'bob',
    n: fromSecond + i,
  }));
}

export function ndjson(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

export function gzipped(rows: readonly unknown[]): Buffer {
  return gzipSync(ndjson(rows));
}

/** Clicks by user and minute. */
export const CLICKS_JOB = `
import { count, job, source, sum, tumbling } from 'misa';

interface Click { at: number | string; user: string; n: number | string }

const clicks = source<Click>('clicks', { eventTime: (c) => Number(c.at), delay: '1 min' });

export default job('clicks', clicks
  .keyBy((c) => c.user)
  .window(tumbling('1 min'))
  .aggregate({ clicks: count(), total: sum((c) => Number(c.n)) }),
  { partitions: 2, ...OPTIONS });
`;

export function clicksJob(options = '{}'): string {
  return CLICKS_JOB.replace('OPTIONS', options);
}

/** What that job must give for {@link clicks}`(seconds)`, sorted. */
export function clicksByMinute(seconds: number): unknown[] {
  const rows = new Map<
    string,
    { key: string; windowStart: number; windowEnd: number; clicks: number; total: number }
  >();
  for (const { at, user, n } of clicks(seconds)) {
    const windowStart = Math.floor(at / MINUTE) * MINUTE;
    const id = `${user} ${windowStart}`;
    const row = rows.get(id) ?? { key: user, windowStart, windowEnd: windowStart + MINUTE, clicks: 0, total: 0 };
    row.clicks++;
    row.total += n;
    rows.set(id, row);
  }
  return sorted([...rows.values()]);
}

export function sorted(rows: readonly unknown[]): unknown[] {
  return [...rows].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
