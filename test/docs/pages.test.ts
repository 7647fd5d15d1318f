/** What the documentation shows is true: its modules compile, its commands run, and print what the page says. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { fits, Page } from './page.ts';
import { REPOSITORY, ReaderFolder } from './workspace.ts';

/** Made by a tool from what is tested elsewhere. */
const GENERATED = 'docs/reference/';
const TIMEOUT_MS = 600_000;

const pages = ['README.md', ...markdownIn('docs'), ...markdownIn('examples')]
  .filter((name) => !name.startsWith(GENERATED))
  .map((name) => ({ name, page: new Page(path.join(REPOSITORY, name)) }))
  .filter(({ page }) => page.blocks.length > 0)
  .map((made) => ({ ...made, folder: folderOf(made.page) }));
afterAll(() => pages.forEach(({ folder }) => void folder.remove()));

it(
  'the modules of all pages compile',
  () => {
    const files = pages.flatMap(({ page, folder }) => [...page.modules().keys()].map((name) => folder.path(name)));
    expect(typeErrors(files)).toEqual([]);
  },
  TIMEOUT_MS,
);

it('versions that pages name are those that are tested with', () => {
  const { devDependencies } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8'));
  for (const { page, name } of pages) {
    for (const [, tool, version] of page.blocks.flatMap(({ text }) => [...text.matchAll(/ ([\w-]+)@(\d[\d.]*)/g)])) {
      expect({ name, tool, version }).toEqual({ name, tool, version: devDependencies[tool!] });
    }
  }
});

describe.each(pages)('$name', ({ name, page, folder }) => {
  const commands = page.commands();
  it.runIf(commands.length > 0)(
    'commands do what the page shows',
    async () => {
      for (const { text, line, output } of commands) {
        const { code, stdout, stderr } = await folder.run(text);
        expect(code, `${name}:${line} fails\n${stdout}\n${stderr}`).toBe(0);
        if (output === undefined || fits(stdout, output.text)) continue;
        // Shows both, the page's first.
        expect(stdout.trimEnd(), `${name}:${output.line} shows something else`).toBe(output.text.trimEnd());
      }
    },
    TIMEOUT_MS,
  );

  it('has code blocks that somebody checks, or says why not', () => {
    const unknown = page.blocks.filter(
      ({ language }) => !['ts', 'sh', 'text', 'json', 'csv', 'sql', 'py'].includes(language),
    );
    expect(unknown.map(({ line }) => `${name}:${line} has a block of no language; a picture is text`)).toEqual([]);
  });
});

function folderOf(page: Page): ReaderFolder {
  const folder = new ReaderFolder();
  for (const [name, { text }] of page.modules()) folder.write(name, text);
  return folder;
}

function markdownIn(folder: string): string[] {
  return readdirSync(path.join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => path.posix.join(folder, name.split(path.sep).join('/')))
    .sort();
}

function typeErrors(files: string[]): string[] {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    typeRoots: [path.join(REPOSITORY, 'node_modules/@types')],
    types: ['node'],
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, '\n');
    if (file === undefined) return text;
    const { line } = file.getLineAndCharacterOfPosition(start ?? 0);
    return `${file.fileName}:${line + 1}: ${text}`;
  });
}
