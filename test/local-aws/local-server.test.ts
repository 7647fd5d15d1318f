/** A local server starts, is awaited, and ends with all that it started, however its starter ends. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort, type LocalServerOptions, startLocalServer } from '../../lib/local-aws/local-server.ts';
import { systemClock } from '../../lib/util/clock.ts';

/** Only what hangs runs into it. */
const PATIENCE = { timeout: 120_000 };
const hasPython = spawnSync('python3', ['--version']).status === 0;

/** A server that starts a process of its own and writes that one's id down; it heeds no polite request to end. */
const SERVER = `
import http.server, os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('hello from', sys.argv, flush=True)
child = subprocess.Popen(['sleep', '300'])
with open('child.pid', 'w') as f: f.write(str(child.pid))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/ready' else 404); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`;
const POLITE = SERVER.replace('signal.SIG_IGN', 'lambda *_: os._exit(0)');
const BROKEN = `
import sys
print('the reason', file=sys.stderr); sys.exit(3)
`;

function optionsOf(code: string): LocalServerOptions {
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-server-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(path.join(folder, 'thing_server.py'), code);
  const env = (port: number): Record<string, string> => ({ PORT: String(port) });
  return {
    name: 'thing',
    python: 'python3',
    module: 'thing_server',
    folder,
    env,
    readyPath: '/ready',
    clock: systemClock,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended and was not waited for counts as gone.
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z');
  } catch {
    return false;
  }
}

const childOf = (folder: string): number => Number(readFileSync(path.join(folder, 'child.pid'), 'utf8'));

describe.skipIf(!hasPython)('a local server', () => {
  it('can be used once it has started, and is gone with its processes once it has stopped', async () => {
    for (const code of [POLITE, SERVER]) {
      const options = optionsOf(code);
      const server = await startLocalServer(options);
      expect((await fetch(`${server.endpoint}/ready`)).status).toBe(200);
      expect(server.isRunning()).toBe(true);
      expect(server.logs()).toMatch(/hello from/);
      const pids = [server.pid, childOf(options.folder)];
      expect(pids.map(isAlive)).toEqual([true, true]);
      await server.stop();
      expect(server.isRunning()).toBe(false);
      await expect.poll(() => pids.map(isAlive), PATIENCE).toEqual([false, false]);
      await server.stop();
    }
  });

  it('that ends while it starts says why', async () => {
    const error = await startLocalServer(optionsOf(BROKEN)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'LOCAL_AWS_FAILED' });
    expect(String(error)).toMatch(/thing ended while it was started:\s+the reason/);
    const missing = startLocalServer({ ...optionsOf(SERVER), python: '/no/such/python' });
    await expect(missing).rejects.toMatchObject({ code: 'LOCAL_AWS_FAILED', message: /cannot be started/ });
  });

  it('does not start on a port that another has, be it silent or as if it were the server', async () => {
    for (const other of [createTcpServer(), createServer((_, response) => void response.end('ready'))]) {
      await once(other.listen(0, '127.0.0.1'), 'listening');
      onTestFinished(() => void other.close());
      const { port } = other.address() as AddressInfo;
      const options = { ...optionsOf(SERVER), port };
      const error = await startLocalServer(options).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'LOCAL_AWS_FAILED' });
      expect(String(error)).toMatch(new RegExp(`thing cannot be started: port ${port} of 127.0.0.1 is in use`));
      expect(existsSync(path.join(options.folder, 'child.pid'))).toBe(false);
    }
  });

  it('says so when it ends because its port was taken meanwhile', async () => {
    // It hands the port to one that takes requests and never answers, and ends.
    const options = optionsOf(`
import os, socket, subprocess, sys
taken = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))
subprocess.Popen(['sleep', '300'], pass_fds=[taken.fileno()])
sys.exit('address in use')
`);
    await expect(startLocalServer({ ...options, port: await freePort() })).rejects.toThrow(/ended while.*\n.*in use/);
  });

  it('is not left behind when its start is aborted', async () => {
    const options = optionsOf(SERVER);
    const abort = new AbortController();
    const reason = new Error('enough');
    const starting = startLocalServer({ ...options, readyPath: '/never', signal: abort.signal });
    const pidFile = path.join(options.folder, 'child.pid');
    await expect.poll(() => existsSync(pidFile) && childOf(options.folder) > 0, PATIENCE).toBe(true);
    abort.abort(reason);
    await expect(starting).rejects.toBe(reason);
    await expect.poll(() => isAlive(childOf(options.folder)), PATIENCE).toBe(false);
  });

  it('ends when its starter is killed', async () => {
    const options = optionsOf(SERVER);
    const module = fileURLToPath(new URL('../../lib/local-aws/local-server.ts', import.meta.url));
    const clock = fileURLToPath(new URL('../../lib/util/clock.ts', import.meta.url));
    const script = `
      const { startLocalServer } = await import(${JSON.stringify(module)});
      const { systemClock } = await import(${JSON.stringify(clock)});
      const options = ${JSON.stringify(options)};
      const server = await startLocalServer({ ...options, env: (port) => ({ PORT: String(port) }), clock: systemClock });
      console.log(server.pid);`;
    const starter = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    const said: string = await new Promise((resolve) => starter.stdout.setEncoding('utf8').once('data', resolve));
    const pids = [Number(said), childOf(options.folder)];
    expect(pids.map(isAlive)).toEqual([true, true]);
    starter.kill('SIGKILL');
    await expect.poll(() => pids.map(isAlive), PATIENCE).toEqual([false, false]);
  });
});
