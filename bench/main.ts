/**
 * `npm run bench [-- NAME...] [--quick] [--events=N]`: runs the benchmarks, prints what they found, and writes `bench/out/results.json`,
 * the plots, and `bench/out/report.html`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import path from 'node:path';
import { benchBatch } from './batch.ts';
import { benchCommit } from './commit.ts';
import { benchDeployed } from './deployed.ts';
import { benchEviction } from './eviction.ts';
import { benchFiles } from './files.ts';
import { benchGroups } from './groups.ts';
import { benchLargeState } from './large-state.ts';
import { benchSync } from './large-state-sync.ts';
import { thisMachine } from './measure.ts';
import { benchMemory } from './memory.ts';
import { benchNexmark } from './nexmark.ts';
import type { BenchOptions } from './options.ts';
import { benchPolicies } from './policies.ts';
import { budgetsTable, type Finding, reportPage, tableText } from './report.ts';
import { benchSmall } from './small.ts';
import { benchState } from './state.ts';

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<Finding>>> = {
  batch: benchBatch,
  state: benchState,
  sst: benchFiles,
  commit: benchCommit,
  small: benchSmall,
  memory: benchMemory,
  'large-state': benchLargeState,
  sync: benchSync,
  deployed: benchDeployed,
  eviction: benchEviction,
  policies: benchPolicies,
  nexmark: benchNexmark,
  groups: benchGroups,
};
const OUT = path.resolve('bench/out');

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const eventsText = args.find((arg) => arg.startsWith('--events='))?.slice('--events='.length);
const events = eventsText === undefined ? undefined : Number(eventsText);
const asked = args.filter((arg) => !arg.startsWith('--'));
const wrong = [
  ...asked.filter((name) => !(name in BENCHES)),
  ...args.filter((a) => a.startsWith('--') && a !== '--quick' && !/^--events=[1-9]\d*$/.test(a)),
];
if (wrong.length > 0) {
  console.error(
    `usage: npm run bench [-- ${Object.keys(BENCHES).join('|')} ...] [--quick] [--events=N]; not ${wrong.join(', ')}`,
  );
  process.exit(2);
}

const machine = thisMachine();
const busy = loadavg()[0]!;
console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; node ${machine.node}; ${machine.date}`);
if (busy > machine.cores / 2)
  console.log(`This machine is busy (load ${busy.toFixed(1)}): expect slow and scattered figures.`);
const findings: Finding[] = [];
for (const [name, bench] of Object.entries(BENCHES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const startMs = performance.now();
  const finding = await bench({ quick, events }).catch((error: Error) => {
    // The others are worth having all the same.
    console.error(`\n${name} failed: ${error.message}`);
    process.exitCode = 1;
  });
  if (finding === undefined) continue;
  for (const table of finding.tables) console.log(tableText(table));
  console.log(`\n(${name}: ${((performance.now() - startMs) / 1000).toFixed(0)} s)`);
  findings.push(finding);
}
console.log(tableText(budgetsTable(findings)));

mkdirSync(OUT, { recursive: true });
for (const { plots } of findings) {
  for (const [file, drawn] of Object.entries(plots)) writeFileSync(path.join(OUT, file), drawn);
}
const load = { before: busy, after: loadavg()[0]! };
const results = findings.map(({ name, budgets, data }) => ({ name, budgets, data }));
writeFileSync(path.join(OUT, 'results.json'), `${JSON.stringify({ machine, load, quick, results }, null, 1)}\n`);
writeFileSync(path.join(OUT, 'report.html'), reportPage(machine, findings));
console.log(`\nWritten: ${path.relative('.', OUT)}/results.json, report.html and the plots as SVG`);
