/** Patterns that would take in the results of the job that reads them. */
import { expect, it } from 'vitest';
import { refuseOwnResults } from '../../lib/embedded/own-results.ts';

const refused = (pattern: string, directory: string): boolean => {
  try {
    refuseOwnResults([pattern], directory, ['out'], 'ndjson');
    return false;
  } catch (error) {
    expect(error).toMatchObject({ code: 'INPUT_IS_OUTPUT', message: expect.stringContaining(pattern) });
    return true;
  }
};

it.each([
  ['*.ndjson', '.'],
  ['./*.ndjson', '.'],
  ['*', '.'],
  ['data/**/*.ndjson', 'data/results'],
  ['**/*.{csv,ndjson}', 'results'],
  ['data/*/*.ndjson', 'data/results'],
  ['[a-z]*.ndjson', process.cwd()],
  ['results/o*', 'results'],
])('%s with results in %s is refused', (pattern, directory) => expect(refused(pattern, directory)).toBe(true));

it.each([
  ['*.ndjson', 'results'],
  ['*.csv', '.'],
  ['flights-*.ndjson', '.'],
  ['data/*.ndjson', 'data/results'],
  ['data/**/*.ndjson', 'results'],
  ['**/*.ndjson', '.hidden/results'],
  ['flights.ndjson', '.'],
  ['[!oq]*.ndjson', '.'],
])('%s with results in %s is not', (pattern, directory) => expect(refused(pattern, directory)).toBe(false));
