/** What ends a local run that cannot come to its end, and what it then says. */
import { describe, expect, it } from 'vitest';
import type { FunctionError } from '../../cli/dev/function-errors.ts';
import { Troubles } from '../../cli/dev/troubles.ts';
import type { Position } from '../../cli/state/positions.ts';
import { ManualClock } from '../../lib/util/clock.ts';

const RUNNING: Position = { planned: 3, committed: 2, published: 2, halted: [] };
const MINUTE = 60_000;

function watched(dead = 0): { troubles: Troubles; clock: ManualClock; log: FunctionError[]; told: string[] } {
  const clock = new ManualClock();
  const log: FunctionError[] = [];
  const told: string[] = [];
  const queue = { name: 'input-dead', url: 'u', dead: true, inFlight: 0, delayed: 0 };
  const message = { id: '1', receipt: 'r', body: '{"poison":true}', attributes: {}, receiveCount: 10 };
  const troubles = new Troubles({
    job: 'clicks',
    queues: { depths: async () => [{ ...queue, visible: dead }], peek: async () => [message] },
    errors: { next: async () => log.splice(0) },
    onError: (error) => told.push(error.message),
    nowMs: () => clock.now(),
  });
  return { troubles, clock, log, told };
}

const error = (message: string, final = false): FunctionError => ({ function: 'batch s0/p1', message, final });

describe('a local run', () => {
  it('goes on while something moves, however long it takes', async () => {
    const { troubles, clock } = watched();
    for (let i = 0; i < 30; i++) {
      clock.advance(MINUTE);
      await troubles.check(RUNNING, `batch ${i}`);
    }
  });

  it('ends at a halted partition', async () => {
    const { troubles } = watched();
    const halted = [{ path: 's0/p1', n: 3, code: 'USER_FUNCTION', reason: 'no luck' }];
    await expect(troubles.check({ ...RUNNING, halted }, '')).rejects.toMatchObject({
      code: 'HALTED',
      message: expect.stringMatching(/^partition s0\/p1 of job clicks is halted at batch 3: no luck\./),
    });
  });

  it('ends at messages that were given up, and shows them and what the functions logged', async () => {
    const { troubles, log } = watched(2);
    log.push(error('cannot be read'));
    await troubles.watch();
    await expect(troubles.check(RUNNING, '')).rejects.toMatchObject({
      code: 'DEAD_LETTERS',
      message: expect.stringMatching(
        /2 messages were given up, in queue input-dead:\n {2}\{"poison":true\}[\s\S]*cannot be read/,
      ),
    });
  });

  it('ends at once at an error that trying again does not help, and tells each error once', async () => {
    const { troubles, log, told } = watched();
    log.push(error('later'), error('later'));
    await troubles.watch();
    await troubles.check(RUNNING, '');
    log.push(error('later'), error('never', true));
    await troubles.watch();
    expect(told).toEqual(['later', 'never']);
    await expect(troubles.check(RUNNING, '')).rejects.toMatchObject({ code: 'FUNCTION_FAILED' });
  });

  it('ends when nothing has moved for long, sooner with errors about', async () => {
    const quiet = watched();
    quiet.clock.advance(5 * MINUTE);
    await quiet.troubles.check(RUNNING, 'batch 2');
    quiet.clock.advance(5 * MINUTE);
    await quiet.troubles.check(RUNNING, 'batch 2');
    quiet.clock.advance(3 * MINUTE);
    await expect(quiet.troubles.check(RUNNING, 'batch 2')).rejects.toMatchObject({ code: 'STUCK' });

    const failing = watched();
    failing.log.push(error('later'));
    await failing.troubles.watch();
    await failing.troubles.check(RUNNING, 'batch 2');
    failing.clock.advance(5 * MINUTE);
    await expect(failing.troubles.check(RUNNING, 'batch 2')).rejects.toMatchObject({
      code: 'STUCK',
      message: expect.stringContaining(
        'nothing has moved for 5 minutes (batch 2). The functions logged:\n  batch s0/p1: later',
      ),
    });
  });
});
