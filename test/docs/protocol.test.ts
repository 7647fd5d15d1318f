/**
 * docs/protocol.md and the code say the same: each rule ⚑ that a comment or a test names is in the page, each rule of the
 * page stands where it says, has a test that is named after it, and planted bugs that break it.
 */
import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { describe, expect, it } from 'vitest';
import { MUTANTS } from '../mutants/list.ts';

const root = new URL('../../', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');
const page = read('docs/protocol.md');

/** Rows of the table of rules: name, files of the code, files of tests. */
const RULES = [...page.matchAll(/^\| ⚑ ([a-z-]+) \|(.*)\|(.*)\|(.*)\|$/gm)].map(([, name, , code, tests]) => ({
  name: name!,
  code: filesIn(code!),
  tests: filesIn(tests!),
}));

function filesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, file]) => file!);
}

function sources(...folders: string[]): string[] {
  const patterns = folders.map((folder) => `${folder}/**/*.{ts,mjs,md}`);
  return globSync(patterns, {
    cwd: root.pathname,
    ignore: ['**/node_modules/**', 'docs/protocol.md', 'test/docs/protocol.test.ts'],
  });
}

/** Names behind ⚑ in a text. */
const named = (text: string): string[] => [...text.matchAll(/⚑ ([a-z]+(?:-[a-z]+)*)/g)].map(([, name]) => name!);

describe('rules ⚑', () => {
  it('each one that the code, the docs and the tests name is in the page', () => {
    const known = new Set(RULES.map(({ name }) => name));
    expect(known.size).toBe(RULES.length);
    for (const file of sources('lib', 'functions', 'cdk', 'cli', 'docs')) {
      const text = read(file);
      expect(text.split('⚑').length - 1, `${file}: a ⚑ without a name`).toBe(named(text).length);
      for (const name of named(text)) expect(known, file).toContain(name);
    }
    for (const file of sources('test')) for (const name of named(read(file))) expect(known, file).toContain(name);
    for (const name of named(page)) expect(known).toContain(name);
  });

  it.each(RULES)('$name stands where the page says', ({ name, code }) => {
    expect(code).not.toEqual([]);
    for (const file of code) expect(named(read(file)), file).toContain(name);
  });

  it.each(RULES)('$name has tests that are named after it', ({ name, tests }) => {
    expect(tests).not.toEqual([]);
    for (const file of tests) expect(named(read(file)), file).toContain(name);
  });

  it.each(RULES)('$name has a planted bug that breaks it', ({ name }) => {
    expect(MUTANTS.filter(({ rule }) => named(rule).includes(name))).not.toEqual([]);
  });
});

it('steps and invariants that comments and tests speak of are in the page', () => {
  const steps = [...page.matchAll(/^\d\. \*\*/gm)].length;
  const invariants = page
    .split('## Invariants')[1]!
    .split('##')[0]!
    .match(/^\d+\. /gm)!.length;
  expect([steps, invariants]).toEqual([6, 12]);
  for (const file of sources('lib', 'functions', 'cdk', 'cli', 'test')) {
    for (const [, n] of read(file).matchAll(/\bsteps? (\d+)\b/gi)) expect(Number(n), file).toBeLessThanOrEqual(steps);
    for (const [, n] of read(file).matchAll(/\binvariants? (\d+)\b/gi)) {
      expect(Number(n), file).toBeLessThanOrEqual(invariants);
    }
  }
});
