/** Errors of functions, as `misa dev` finds them in logs. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { errorsIn, FunctionErrors } from '../../cli/dev/function-errors.ts';

const GROUP = '/aws/cloudformation/Misa-clicks/JobIngestLogs4544AB75';

function line(text: string, timeMs = 1): { group: string; timeMs: number; text: string } {
  return { group: GROUP, timeMs, text };
}

describe('errors in logs', () => {
  it('are structured lines of level ERROR, with function, partition and cause', () => {
    const event = {
      level: 'ERROR',
      message: 'it cannot begin',
      function: 'batch',
      stage: '0',
      partition: '1',
      error: { name: 'JobError', message: 'no luck' },
    };
    expect(errorsIn([line(JSON.stringify(event)), line('{"level":"INFO","message":"fine"}')])).toEqual([
      { function: 'batch s0/p1', message: 'it cannot begin: no luck', final: true },
    ]);
  });

  it.each(['s0/p1', 'planner'])(
    'are not final where partition %s is halted for them: the halt is what a user is told, whichever is seen first',
    (path) => {
      const event = {
        level: 'ERROR',
        message: `partition ${path} is halted at batch 3`,
        function: 'batch',
        error: { name: 'UserFunctionError', message: 'no luck' },
      };
      expect(errorsIn([line(JSON.stringify(event))])).toEqual([
        { function: 'batch', message: `partition ${path} is halted at batch 3: no luck`, final: false },
      ]);
    },
  );

  it('are final only where trying again does not help', () => {
    const event = { level: 'ERROR', message: 'later', error: { name: 'StoreError', message: 'busy', retryable: true } };
    expect(errorsIn([line(JSON.stringify(event))])).toEqual([
      { function: 'Ingest', message: 'later: busy', final: false },
    ]);
  });

  it('are also what nobody caught, and time-outs', () => {
    const lines = [line('START RequestId: 1'), line('TypeError: x is not a function'), line('    at handler (a.js:1)')];
    expect(errorsIn([...lines, line('1-2-3 Task timed out after 60.00 seconds')])).toEqual([
      { function: 'Ingest', message: 'x is not a function', final: false },
      { function: 'Ingest', message: 'Task timed out after 60.00 seconds', final: false },
    ]);
  });

  it('are also what a handler threw, and processes that were killed', () => {
    const thrown = (errorType: string) => JSON.stringify({ errorType, errorMessage: 'no luck', trace: ['at a.js:1'] });
    const lines = [
      line(`2026-11-29T00:00:00.000Z\t1-2-3\tERROR\tInvoke Error\t${thrown('JobError')}`),
      line(`ERROR\tInvoke Error\t${thrown('Error')}`),
      line('RequestId: 1-2-3 Error: Runtime exited with error: signal: killed'),
      line('Runtime.ExitError'),
    ];
    expect(errorsIn(lines)).toEqual([
      { function: 'Ingest', message: 'no luck', final: true },
      { function: 'Ingest', message: 'no luck', final: false },
      { function: 'Ingest', message: 'Runtime exited with error: signal: killed', final: false },
    ]);
  });
});

describe('errors since the last look', () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());

  it('come once, also where several lines have the same time', async () => {
    const events: { timestamp: number; message: string }[] = [];
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        const { startTime } = JSON.parse(body) as { startTime: number };
        response.end(JSON.stringify({ events: events.filter((event) => event.timestamp >= startTime) }));
      });
    });
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const errors = new FunctionErrors(endpoint, [{ type: 'AWS::Logs::LogGroup', logicalId: 'l', id: GROUP }]);
    const next = async (): Promise<string[]> => (await errors.next()).map(({ message }) => message);

    expect(await next()).toEqual([]);
    events.push({ timestamp: 1, message: 'Error: a' }, { timestamp: 2, message: 'Error: b' });
    expect(await next()).toEqual(['a', 'b']);
    expect(await next()).toEqual([]);
    events.push({ timestamp: 2, message: 'Error: c' });
    expect(await next()).toEqual(['c']);
    events.push({ timestamp: 2, message: 'Error: d' }, { timestamp: 5, message: 'Error: e' });
    expect(await next()).toEqual(['d', 'e']);
    expect(await next()).toEqual([]);
  });
});
