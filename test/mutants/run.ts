/**
 * `npm run mutants [-- PART]`: plants the bugs of `list.ts` one at a time in a copy of the tree, runs the tests that must
 * notice, and expects one of them to fail. First all of these tests run without a bug: one that fails anyway proves nothing.
 * PART: only bugs with this text in their rule or file. Ends with 1 if a bug was not noticed, or cannot be planted.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { MUTANTS } from './list.ts';
import { type Detector, type Mutant, plant } from './mutant.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const NOT_COPIED = new Set(['node_modules', 'dist', '.git', '.misa', 'cdk.out']);
/** A bug may well make a test wait for ever. */
const LIMIT_MS = 300_000;
const ENDLESS_MS = 60_000;

type Verdict = 'found' | 'SURVIVED' | 'BROKEN';

interface Found {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  /** The test that noticed, or what went wrong. */
  readonly by: string;
  readonly seconds: number;
}

interface TestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

async function copyOfTree(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'misa-mutants-'));
  const filter = (from: string): boolean => !NOT_COPIED.has(path.basename(from));
  await cp(ROOT, folder, { recursive: true, filter });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** Runs tests in a copy. @returns `undefined`: it was ended after {@link LIMIT_MS}; text: it did not come to a report */
async function runTests(
  folder: string,
  { tests, built, endless }: Pick<Mutant, 'tests' | 'built' | 'endless'>,
): Promise<TestReport | string | undefined> {
  const report = path.join(folder, 'report.json');
  const config = built ? 'vitest.config.ts' : 'test/mutants/vitest.config.ts';
  await rm(report, { force: true });
  if (built) {
    const tsc = spawn(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
      cwd: folder,
    });
    await new Promise((resolve) => tsc.on('close', resolve));
  }
  const files = [...new Set(tests.map((test) => test.file))];
  const names = tests.map((test) => test.name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  const vitest = path.join(folder, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--config', config, '--reporter=json', `--outputFile=${report}`];
  const child = spawn(process.execPath, [...args, '-t', names, ...files], { cwd: folder, detached: true });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  let late = false;
  const limit = setTimeout(
    () => {
      late = true;
      // Its workers, too.
      process.kill(-child.pid!, 'SIGKILL');
    },
    endless ? ENDLESS_MS : LIMIT_MS,
  );
  await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(limit);
  if (late) return undefined;
  try {
    return JSON.parse(await readFile(report, 'utf8')) as TestReport;
  } catch {
    return text.trim().slice(-2000);
  }
}

function resultsOf(report: TestReport, { file, name }: Detector): string[] {
  return report.testResults
    .filter((result) => result.name.endsWith(file))
    .flatMap((result) => result.assertionResults)
    .filter(({ fullName }) => fullName.includes(name))
    .map(({ status }) => status);
}

async function judge(folder: string, mutant: Mutant): Promise<Omit<Found, 'mutant' | 'seconds'>> {
  const file = path.join(folder, mutant.file);
  const original = await readFile(file, 'utf8');
  try {
    await writeFile(file, plant(original, mutant));
  } catch (error) {
    return { verdict: 'BROKEN', by: (error as Error).message };
  }
  try {
    const report = await runTests(folder, mutant);
    if (report === undefined) return { verdict: 'found', by: 'its tests do not end' };
    if (typeof report === 'string') return { verdict: 'BROKEN', by: report };
    const noticed = mutant.tests.find((test) => resultsOf(report, test).includes('failed'));
    if (noticed !== undefined) return { verdict: 'found', by: `${noticed.file}: ${noticed.name}` };
    const passed = mutant.tests.some((test) => resultsOf(report, test).includes('passed'));
    if (passed) return { verdict: 'SURVIVED', by: mutant.tests.map(({ name }) => name).join('; ') };
    return { verdict: 'BROKEN', by: report.testResults.map(({ message }) => message).join('\n') };
  } finally {
    await writeFile(file, original);
  }
}

/** Tests that do not pass as they are. */
async function unsound(folder: string, mutants: readonly Mutant[]): Promise<string[]> {
  const problems: string[] = [];
  for (const built of [false, true]) {
    const tests = mutants.filter((mutant) => (mutant.built ?? false) === built).flatMap((mutant) => mutant.tests);
    if (tests.length === 0) continue;
    const report = await runTests(folder, { tests, built });
    if (report === undefined || typeof report === 'string') {
      problems.push(report ?? 'the tests do not come to an end');
      continue;
    }
    for (const test of tests) {
      const results = resultsOf(report, test);
      if (results.includes('passed') && !results.includes('failed')) continue;
      problems.push(`${test.file}: '${test.name}' is not there, or fails as it is`);
    }
  }
  return [...new Set(problems)];
}

const part = process.argv[2] ?? '';
const mutants = MUTANTS.filter(({ rule, file }) => rule.includes(part) || file.includes(part));
const workers = Math.max(1, Math.min(2, availableParallelism(), mutants.length));
const folders = await Promise.all(Array.from({ length: workers }, copyOfTree));
let failures = 0;
try {
  for (const problem of await unsound(folders[0]!, mutants)) {
    failures++;
    console.log(problem);
  }
  let next = 0;
  const show = ({ mutant, verdict, by, seconds }: Found): void => {
    if (verdict !== 'found') failures++;
    console.log(
      `${verdict.padEnd(8)} ${seconds.toFixed(1).padStart(5)} s  ${mutant.rule}\n${' '.repeat(18)}${mutant.file}; ${by}`,
    );
  };
  const work = async (folder: string): Promise<void> => {
    for (let mutant = mutants[next++]; mutant !== undefined; mutant = mutants[next++]) {
      const startMs = performance.now();
      const found = await judge(folder, mutant);
      show({ mutant, ...found, seconds: (performance.now() - startMs) / 1000 });
    }
  };
  if (failures === 0) await Promise.all(folders.map(work));
} finally {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
}
console.log(
  failures === 0
    ? `${mutants.length} planted bugs, each noticed`
    : `${failures} planted bugs were not noticed or could not be planted`,
);
process.exitCode = failures === 0 ? 0 : 1;
