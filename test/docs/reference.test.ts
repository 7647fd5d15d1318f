/** The reference is what the docstrings say now. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { REPOSITORY } from './workspace.ts';

const made = mkdtempSync(path.join(tmpdir(), 'misa-reference-'));
afterAll(() => rmSync(made, { recursive: true, force: true }));

it('the reference is what `npm run reference` makes, and every export has words', () => {
  const typedoc = path.join(REPOSITORY, 'node_modules/.bin/typedoc');
  const { status, stdout, stderr } = spawnSync(typedoc, ['--out', made], { cwd: REPOSITORY, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
  expect(pagesIn(path.join(REPOSITORY, 'docs/reference'))).toEqual(pagesIn(made));
}, 600_000);

function pagesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));
}
