/**
 * A server of a Python module on a port of this machine, started, awaited and ended. It never outlives the process that
 * started it: it reads its standard input, and kills itself and what it started where that ends, which it does
 * however the starter dies. So nothing is left behind by a kill, either.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { errorText, MisaError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';

const LOOK_MS = 100;
const READY_MS = 90_000;
/** Time to end by itself. */
const STOP_MS = 2_000;
const KEPT_LOG_CHARS = 64 * 1024;
/** A port that was free may be taken before the server has it. */
const PORT_TRIES = 3;

const RUN_MODULE = `
import os, runpy, signal, sys, threading
def watch():
    while os.read(0, 4096):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)
`;

export interface LocalServerOptions {
  /** For messages. */
  readonly name: string;
  readonly python: string;
  readonly module: string;
  readonly folder: string;
  /** Default: any that is free. */
  readonly port?: number | undefined;
  /** Its environment, beside this process's own. */
  readonly env: (port: number) => Readonly<Record<string, string>>;
  /** Answers 200 once it can be used. */
  readonly readyPath: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Given all that it says. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

export interface LocalServer {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly port: number;
  readonly pid: number;
  /** The last of what it said. */
  logs(): string;
  /** Whether it is still running. */
  isRunning(): boolean;
  /** Ends it and all that it started. */
  stop(): Promise<void>;
}

/** Resolves when the server answers. @throws {MisaError} `LOCAL_AWS_FAILED` */
export async function startLocalServer(options: LocalServerOptions): Promise<LocalServer> {
  for (let tries = 1; ; tries++) {
    const port = options.port ?? (await freePort());
    const server = await launch(options, port);
    try {
      await untilReady(server, options);
      return server;
    } catch (error) {
      await server.stop();
      const taken = options.port === undefined && /in use/i.test(server.logs());
      if (!taken || tries === PORT_TRIES) throw error;
    }
  }
}

async function launch(
  { name, python, module, folder, env, clock, onOutput }: LocalServerOptions,
  port: number,
): Promise<LocalServer> {
  const child = spawn(python, ['-c', RUN_MODULE, module], {
    cwd: folder,
    env: { ...process.env, ...env(port) },
    stdio: 'pipe',
    detached: true, // a group of its own, so that all of it can be ended, and Ctrl-C ends it when its starter says so
  });
  let said = '';
  const keep = (text: string): void => {
    said = (said + text).slice(-KEPT_LOG_CHARS);
    onOutput?.(text);
  };
  child.stdin.on('error', () => {});
  for (const output of [child.stdout, child.stderr]) output.setEncoding('utf8').on('data', keep);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(failed(`${name} cannot be started: ${errorText(error)}`)));
  });
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    logs: () => said,
    isRunning,
    async stop() {
      if (isRunning()) {
        child.kill('SIGTERM');
        const late = new AbortController();
        await Promise.race([ended, clock.sleep(STOP_MS, late.signal).catch(() => {})]);
        late.abort();
      }
      killGroup(child);
      await ended;
    },
  };
}

function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

async function untilReady(server: LocalServer, { name, readyPath, clock, signal }: LocalServerOptions): Promise<void> {
  const startMs = clock.monotonic();
  for (;;) {
    signal?.throwIfAborted();
    if (!server.isRunning()) throw failed(`${name} ended while it was started:\n${lastLines(server)}`);
    const answer = await fetch(server.endpoint + readyPath, { signal: AbortSignal.timeout(READY_MS) }).catch(
      () => undefined,
    );
    await answer?.body?.cancel();
    if (answer?.ok) return;
    if (clock.monotonic() - startMs > READY_MS) {
      throw failed(`${name} did not answer at ${server.endpoint} within ${READY_MS / 1000} s:\n${lastLines(server)}`);
    }
    await clock.sleep(LOOK_MS, signal);
  }
}

function lastLines(server: LocalServer): string {
  return server.logs().trim().split('\n').slice(-15).join('\n');
}

function failed(message: string): MisaError {
  return new MisaError('LOCAL_AWS_FAILED', message);
}

/** A port of this machine that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
