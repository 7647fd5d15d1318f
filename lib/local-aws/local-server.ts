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
  /** Time to end by itself, before it is killed; 0: it is killed at once. Default: 2 s. */
  readonly stopMs?: number | undefined;
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
  /** Answers 200 while it can be used. */
  readonly healthUrl: string;
  /** The last of what it said. */
  logs(): string;
  /** Whether it is still running. */
  isRunning(): boolean;
  /** Ends it and all that it started. */
  stop(): Promise<void>;
}

/** Resolves when the server answers. @throws {MisaError} `LOCAL_AWS_FAILED`: also, and at once, where another has the port */
export async function startLocalServer(options: LocalServerOptions): Promise<LocalServer> {
  // Who has the port might answer in the place of the server, or accept requests and never answer.
  if (options.port !== undefined && !(await isFree(options.port))) {
    throw failed(`${options.name} cannot be started: port ${options.port} of 127.0.0.1 is in use`);
  }
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

interface Launched extends LocalServer {
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
}

async function launch(
  { name, python, module, folder, env, readyPath, clock, onOutput, stopMs = STOP_MS }: LocalServerOptions,
  port: number,
): Promise<Launched> {
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
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const within = async (ms: number, event: Promise<void>): Promise<void> => {
    const late = new AbortController();
    await Promise.race([event, clock.sleep(ms, late.signal).catch(() => {})]);
    late.abort();
  };
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(failed(`${name} cannot be started: ${errorText(error)}`)));
  });
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    healthUrl: `http://127.0.0.1:${port}${readyPath}`,
    logs: () => said,
    isRunning,
    ended,
    async stop() {
      if (isRunning() && stopMs > 0) {
        child.kill('SIGTERM');
        await within(stopMs, ended);
      }
      killGroup(child);
      await ended;
      await within(STOP_MS, closed); // so that what it said last is in the log
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

async function untilReady(server: Launched, { name, clock, signal }: LocalServerOptions): Promise<void> {
  const startMs = clock.monotonic();
  const stopAsking = new AbortController();
  const stop = (): void => stopAsking.abort();
  void server.ended.then(stop);
  signal?.addEventListener('abort', stop, { once: true });
  const asking = AbortSignal.any([stopAsking.signal, AbortSignal.timeout(READY_MS)]);
  for (;;) {
    const answer = await fetch(server.healthUrl, { signal: asking }).catch(() => undefined);
    await answer?.body?.cancel();
    signal?.throwIfAborted();
    if (!server.isRunning()) {
      await server.stop(); // then all that it said is there
      throw failed(`${name} ended while it was started:\n${lastLines(server)}`);
    }
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
  return listenOn(0);
}

function isFree(port: number): Promise<boolean> {
  return listenOn(port).then(
    () => true,
    () => false,
  );
}

/** Listens for a moment. @returns the port */
function listenOn(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
