/** The list of planted bugs keeps up with the code: whether each is noticed is for `npm run mutants`, which takes minutes. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { MUTANTS } from './list.ts';
import { plant } from './mutant.ts';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

it.each(MUTANTS)('the snippet stands once in $file, and the tests are there: $rule', (mutant) => {
  expect(plant(read(mutant.file), mutant)).not.toBe(read(mutant.file));
  for (const { file, name } of mutant.tests) expect(read(file), file).toContain(name);
});
