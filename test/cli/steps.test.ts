import { expect, it } from 'vitest';
import { stepsFor } from '../../cli/steps.ts';

/** What is written by a command that waits for an hour, looks each second, and sees one change. */
function written(json: boolean): string[] {
  const lines: string[] = [];
  let ms = 0;
  const stream = { isTTY: false, write: (text: string) => lines.push(text.trim()) };
  const steps = stepsFor({ json, stream: stream as unknown as NodeJS.WriteStream, nowMs: () => ms });
  steps.step('follow', 'Following');
  for (; ms < 3_600_000; ms += 1000) steps.at(ms < 1_800_000 ? 'batch 0 of 0' : 'batch 1 of 1');
  steps.step('next', 'Another step');
  ms += 10_000;
  steps.at('batch 1 of 1');
  steps.close();
  return lines;
}

it('off a terminal a line is written when there is something new to say', () => {
  const lines = written(false).map((line) => line.replace(/\(.*\)/, ''));
  expect(lines).toEqual(['Following', 'batch 0 of 0', 'batch 1 of 1', 'done ', 'Another step', 'batch 1 of 1']);
});

it('for machines likewise', () => {
  const events = written(true).map((line) => JSON.parse(line) as { event: string; message?: string });
  expect(events.map(({ event, message }) => `${event} ${message ?? ''}`)).toEqual([
    'step Following',
    'progress batch 0 of 0',
    'progress batch 1 of 1',
    'done ',
    'step Another step',
    'progress batch 1 of 1',
  ]);
});
