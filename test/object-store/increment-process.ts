/** A process of its own: adds 1 to an object `times` times, and writes a line for each that was answered. */
import { writeSync } from 'node:fs';
import { DirectoryStore } from '../../lib/object-store/directory-store.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { increment } from './contract.ts';

const [root = '', name = '', times = '0'] = process.argv.slice(2);
const store = await DirectoryStore.open({ root, clock: systemClock, random: systemRandom });
for (let i = 0; i < Number(times); i++) {
  await increment(store, name);
  writeSync(1, '+\n');
}
