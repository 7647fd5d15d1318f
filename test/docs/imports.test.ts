/**
 * docs/architecture.md, "Code": imports go down its list of folders, those of types too: so a folder can be read, and
 * tested, with nothing in mind but what is below it. (That files do not go in circles, the linter sees to.)
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { globSync } from 'tinyglobby';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url).pathname;
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const FILES = globSync(['{lib,cli,cdk,functions}/**/*.ts'], { cwd: root, ignore: ['**/*.d.ts'] });

/** From the top: folders (with what is under them, as far as it has no line of its own) and single files. */
const ORDER = [
  ...read('docs/architecture.md')
    .split('## Code')[1]!
    .split('\n## ')[0]!
    .matchAll(/^\| ((?:`[^`]+`(?:, )?)+) \|/gm),
].flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, place]) => place!));

/** What a file imports of this package. */
const IMPORTS = new Map(
  FILES.map((file) => {
    const found = read(file).matchAll(/(?:\bfrom|\bimport\(|^import) ?'(\.[^']+)'/gm);
    return [file, [...found].map(([, to]) => path.join(path.dirname(file), to!)).filter((to) => to.endsWith('.ts'))];
  }),
);

function placeOf(file: string): number {
  const found = ORDER.filter((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));
  const place = found.sort((a, b) => b.length - a.length)[0];
  expect(place, `${file} has no place in docs/architecture.md`).toBeDefined();
  return ORDER.indexOf(place!);
}

it('imports go down the list of folders', () => {
  expect(ORDER.length).toBeGreaterThan(20);
  const up = [...IMPORTS].flatMap(([file, imports]) =>
    imports.filter((to) => placeOf(to) < placeOf(file)).map((to) => `${file} imports ${to}`),
  );
  expect(up).toEqual([]);
});
