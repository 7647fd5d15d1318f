/** What killed runs of `misa dev` leave behind is found and ended by the next. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUp, isAlive, Session } from '../../cli/dev/session.ts';
import { systemClock } from '../../lib/util/clock.ts';

const cache = mkdtempSync(path.join(tmpdir(), 'misa-sessions-'));
const sessions = path.join(cache, 'misa/dev/sessions');
const before = process.env.XDG_CACHE_HOME;

beforeAll(() => {
  process.env.XDG_CACHE_HOME = cache;
});
afterAll(() => {
  if (before === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = before;
  rmSync(cache, { recursive: true, force: true });
});

/** A process that has ended, so that its id is nobody's. */
async function goneProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => child.on('exit', resolve));
  return child.pid!;
}

const SERVER = `
const { createServer } = require('node:http');
const server = createServer((_, answer) => answer.end('{}'));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

describe('sessions of misa dev', () => {
  it('leave nothing when they end in order', () => {
    const session = Session.begin('clicks');
    expect(existsSync(session.temporary)).toBe(true);
    session.remove();
    expect(readdirSync(sessions)).toEqual([]);
  });

  it('that run are left alone', async () => {
    const session = Session.begin('clicks');
    expect(await cleanUp()).toEqual([]);
    expect(existsSync(session.folder)).toBe(true);
    session.remove();
  });

  it('that were killed are removed, with or without a file that tells of them', async () => {
    const pid = await goneProcess();
    mkdirSync(path.join(sessions, `${pid}-aaaaaa`, 'tmp'), { recursive: true });
    mkdirSync(path.join(sessions, `${pid}-bbbbbb`));
    writeFileSync(path.join(sessions, `${pid}-bbbbbb/session.json`), JSON.stringify({ pid, job: 'clicks' }));
    expect(await cleanUp()).toEqual([]);
    expect(readdirSync(sessions)).toEqual([]);
  });

  it('that were killed have their local AWS ended, but no other program that has its id by now', async () => {
    const pid = await goneProcess();
    const server = spawn(process.execPath, ['-e', SERVER], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
    try {
      const port = await new Promise<string>((resolve) =>
        server.stdout.once('data', (data) => resolve(String(data).trim())),
      );
      const left = { pid, job: 'clicks', awsPid: server.pid!, healthUrl: `http://127.0.0.1:${port}/` };
      const reused = { pid, job: 'clacks', awsPid: other.pid!, healthUrl: 'http://127.0.0.1:1/' };
      for (const [i, facts] of [left, reused].entries()) {
        mkdirSync(path.join(sessions, `${pid}-00000${i}`), { recursive: true });
        writeFileSync(path.join(sessions, `${pid}-00000${i}/session.json`), JSON.stringify(facts));
      }
      expect(await cleanUp()).toEqual([left]);
      while (server.exitCode === null && server.signalCode === null) await systemClock.sleep(50);
      expect(server.signalCode).not.toBeNull();
      expect(isAlive(other.pid!)).toBe(true);
      expect(readdirSync(sessions)).toEqual([]);
    } finally {
      server.kill('SIGKILL');
      other.kill('SIGKILL');
    }
  });
});
