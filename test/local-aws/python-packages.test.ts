/** Python packages in a folder of their own, whoever installs at the same time, fails or dies. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installPython, type PythonPackages } from '../../lib/local-aws/python-packages.ts';

/** Modules of Python itself stand for pip here, so that nothing is fetched. */
const packages: PythonPackages = { name: 'thing-1', python: [3, 8], steps: [['compileall', '--help']] };
const hasPython = spawnSync('python3', ['-c', 'import venv, ensurepip']).status === 0;

function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-python-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, 'sub');
}

describe.skipIf(!hasPython)('Python packages', () => {
  it('are installed once by several at the same time, removing what a dead process left', async () => {
    const folder = makeFolder();
    const dead = spawnSync('true').pid;
    for (const name of [`.installing-${dead}-x`, `.installing-${process.pid}-mine`]) {
      mkdirSync(path.join(folder, name), { recursive: true });
    }
    const told: string[] = [];
    const onProgress = (what: string): void => void told.push(what);
    const pythons = await Promise.all([1, 2].map(() => installPython(folder, packages, { onProgress })));
    expect(readdirSync(folder).sort()).toEqual([`.installing-${process.pid}-mine`, 'thing-1']);
    expect(told[0]).toBe(`installing thing-1 in ${folder}`);
    const { stdout } = await promisify(execFile)(pythons[1]!, ['-c', 'import sys; print(sys.prefix)']);
    expect(stdout.trim()).toBe(path.join(folder, 'thing-1'));
    told.length = 0;
    await installPython(folder, packages, { onProgress });
    expect(told).toEqual([]);
  });

  it('that cannot be installed leave nothing, and say why', async () => {
    const folder = makeFolder();
    const broken: PythonPackages = { ...packages, steps: [['no_such_module_at_all']] };
    const error = await installPython(folder, broken).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'INSTALL_FAILED' });
    expect(String(error)).toMatch(/No module named no_such_module_at_all/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('ask for a Python that will do', async () => {
    const folder = makeFolder();
    const error = await installPython(folder, { ...packages, python: [3, 99] }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'NO_PYTHON' });
    expect(String(error)).toMatch(/no Python 3\.99 or newer/);
    expect(existsSync(folder)).toBe(false);
  });

  it('are left alone once it is aborted', async () => {
    const folder = makeFolder();
    const abort = new AbortController();
    const reason = new Error('enough');
    const onProgress = (): void => abort.abort(reason);
    const installing = installPython(folder, packages, { signal: abort.signal, onProgress });
    await expect(installing).rejects.toBe(reason);
    expect(readdirSync(folder)).toEqual([]);
  });
});
