#!/usr/bin/env node
/** `node report.mjs DIR`: how late planes left again, by how late they had landed: from the result files of the job beside this file. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const directory = process.argv[2] ?? 'connections';
const rows = readdirSync(directory)
  .filter((file) => /^carriedOn-.*\.ndjson$/.test(file))
  .flatMap((file) => readFileSync(path.join(directory, file), 'utf8').split('\n').filter(Boolean))
  .map((line) => JSON.parse(line));

// Of each flight that landed late, the first that its plane made after it.
const firsts = new Map();
for (const row of rows) {
  const flight = `${row.tailnum} ${row.left}`;
  const first = firsts.get(flight);
  if (first === undefined || row.nextLeft < first.nextLeft) firsts.set(flight, row);
}

console.log('landed late      flights   left again   of them late   mean');
for (const [from, to] of [
  [60, 120],
  [120, 180],
  [180, 240],
  [240, Number.POSITIVE_INFINITY],
]) {
  const landed = [...firsts.values()].filter((row) => row.landedLate >= from && row.landedLate < to);
  const again = landed.filter((row) => row.next !== null);
  const late = again.filter((row) => row.nextLate > 15);
  const mean = again.reduce((sum, row) => sum + row.nextLate, 0) / again.length;
  const hours = to === Number.POSITIVE_INFINITY ? `${from / 60} h or more` : `${from / 60} to ${to / 60} h`;
  const share = (part, whole) => `${((100 * part.length) / whole.length).toFixed(0)} %`;
  console.log(
    `${hours.padEnd(15)} ${String(landed.length).padStart(8)} ${share(again, landed).padStart(12)} ${share(late, again).padStart(14)} ${mean.toFixed(0).padStart(6)}`,
  );
}
