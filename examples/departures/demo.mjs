#!/usr/bin/env node
/**
 * `npm run demo`: runs the job beside this file over the year of flights next to it, as anyone would with `misa run`, and
 * then reads what it wrote. Starts from nothing each time; `--continue` goes on where the last demo was stopped.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
process.chdir(root);
const rel = (name) => path.relative(root, path.join(here, name));
const store = rel('.misa');
const results = rel('results');

const AIRLINES = {
  '9E': 'Endeavor',
  AA: 'American',
  AS: 'Alaska',
  B6: 'JetBlue',
  DL: 'Delta',
  EV: 'ExpressJet',
  F9: 'Frontier',
  FL: 'AirTran',
  HA: 'Hawaiian',
  MQ: 'Envoy',
  OO: 'SkyWest',
  UA: 'United',
  US: 'US Airways',
  VX: 'Virgin',
  WN: 'Southwest',
  YV: 'Mesa',
};

const colours = process.stdout.isTTY && process.stdout.hasColors();
const style = (code, text) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
const bold = (text) => style(1, text);
const dim = (text) => style(2, text);
const number = (n) => n.toLocaleString('en-US');
const minutes = (n) => n.toFixed(1);

const args = [
  'run',
  rel('job.ts'),
  '--input',
  `flights=${rel('data/*.ndjson.gz')}`,
  '--output',
  results,
  '--store',
  store,
  '--batch-rows',
  '5000',
  '--flush',
];
const again = process.argv.includes('--continue');
if (!again) for (const directory of [store, results]) rmSync(directory, { recursive: true, force: true });

console.log(`${bold('A year of departures from New York')}, hour by hour and carrier by carrier.\n`);
const shown = args.map((arg) => (arg.includes('*') ? `'${arg}'` : arg)).join(' ');
console.log(dim(`$ npx misa ${shown.replaceAll(' --', ' \\\n    --')}\n`));

// An interrupt reaches the command too, which ends after the batch under way.
process.on('SIGINT', () => {});
const command = spawn(process.execPath, [path.join(root, 'dist/cli/main.js'), ...args], { stdio: 'inherit' });
const code = await new Promise((resolve) => command.on('close', (exit) => resolve(exit ?? 1)));
if (code !== 0) process.exit(code);

const { hours, late } = readResults();
const total = hours.reduce((sum, row) => sum + row.departures, 0);
if (total === 0) {
  console.log(`\nStopped before the first hour was complete. Go on: ${bold('npm run demo -- --continue')}`);
  process.exit(0);
}
console.log(`\n${bold('Carriers by mean delay')} ${dim('(minutes)')}\n`);
printCarriers(hours);
console.log(`\n${bold('Delay through the day')} ${dim('(scheduled hour in New York; mean minutes)')}\n`);
printDay(hours);
console.log(`\n${bold('Worst hours of the year')} ${dim('(5 departures or more)')}\n`);
printWorst(hours);
console.log(
  `\n${number(hours.length)} hours of carriers hold ${number(total)} flights; ${number(late)} came more than three hours late and are
in ${results}/late-*.ndjson: ${bold(`${number(total + late)} flights in all`)}, none lost, none twice.`,
);
console.log(`
Results  ${results}/hourly-*.ndjson, ${results}/late-*.ndjson
State    ${store}

Look around:
  npx misa status departures --store ${store}
  npx misa state stats departures --store ${store}
  npx misa timeline departures --store ${store} --output timeline.html`);

/** Reads the files that the job wrote: what any other program would do. */
function readResults() {
  const rows = [];
  let lateRows = 0;
  for (const file of readdirSync(results).sort()) {
    if (!file.endsWith('.ndjson')) continue;
    const lines = readFileSync(path.join(results, file), 'utf8').split('\n').filter(Boolean);
    if (file.startsWith('hourly-')) for (const line of lines) rows.push(JSON.parse(line));
    if (file.startsWith('late-')) lateRows += lines.length;
  }
  return { hours: rows, late: lateRows };
}

function group(rows, keyOf) {
  const groups = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    const sum = groups.get(key) ?? { departures: 0, delayed: 0, minutes: 0, worst: 0 };
    sum.departures += row.departures;
    sum.delayed += row.delayed;
    sum.minutes += row.meanDelay * row.departures;
    sum.worst = Math.max(sum.worst, row.worst);
    groups.set(key, sum);
  }
  return [...groups].map(([key, sum]) => ({ key, ...sum, mean: sum.minutes / sum.departures }));
}

function printCarriers(rows) {
  const carriers = group(rows, (row) => row.key).sort((a, b) => b.mean - a.mean);
  const most = carriers[0].mean;
  console.log(dim('  carrier          departures   > 15 min     mean    worst'));
  for (const { key, departures, delayed, mean, worst } of carriers) {
    const name = `${key} ${AIRLINES[key] ?? ''}`.padEnd(15);
    const share = `${((100 * delayed) / departures).toFixed(1)} %`;
    const bar = '█'.repeat(Math.max(0, Math.round((16 * mean) / most)));
    const cells = `${number(departures).padStart(11)}${share.padStart(11)}${minutes(mean).padStart(9)}${String(worst).padStart(9)}`;
    console.log(`  ${name} ${cells}  ${style(33, bar)}`);
  }
}

function printDay(rows) {
  const clock = new Intl.DateTimeFormat('en-US', { timeZone: 'America/New_York', hour: '2-digit', hourCycle: 'h23' });
  const day = group(rows, (row) => clock.format(row.windowStart)).sort((a, b) => (a.key < b.key ? -1 : 1));
  const shown = day.filter((hour) => hour.departures >= 100);
  const most = Math.max(...shown.map((hour) => hour.mean));
  const blocks = '▁▂▃▄▅▆▇█';
  const bar = ({ mean }) => blocks[Math.min(7, Math.max(0, Math.floor((8 * mean) / most)))];
  console.log(`  ${shown.map((hour) => style(33, bar(hour).repeat(2))).join(' ')}`);
  console.log(dim(`  ${shown.map((hour) => hour.key).join(' ')}`));
  console.log(dim(`  ${shown.map((hour) => String(Math.round(hour.mean)).padStart(2)).join(' ')}`));
}

function printWorst(rows) {
  const clock = new Intl.DateTimeFormat('en-GB', {
    timeZone: 'America/New_York',
    weekday: 'short',
    day: '2-digit',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });
  const worst = rows
    .filter((row) => row.departures >= 5)
    .sort((a, b) => b.meanDelay - a.meanDelay)
    .slice(0, 5);
  console.log(dim('  hour                   carrier          departures     mean    worst'));
  for (const row of worst) {
    const name = `${row.key} ${AIRLINES[row.key] ?? ''}`.padEnd(15);
    const cells = `${String(row.departures).padStart(11)}${minutes(row.meanDelay).padStart(9)}${String(row.worst).padStart(9)}`;
    console.log(`  ${clock.format(row.windowStart).padEnd(22)} ${name} ${cells}`);
  }
}
