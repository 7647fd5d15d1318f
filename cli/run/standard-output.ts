/** Results on standard output: the rows of a single output as they are, else with the output's name. */

/**
 * Gives a function that writes rows, and waits where their reader is slow.
 * @param single the job has one output
 * @param onGone the reader has seen enough (`misa run … | head`); later rows are dropped
 */
export function standardOutput(
  single: boolean,
  onGone: () => void,
): (output: string, rows: Uint8Array) => Promise<void> {
  const { stdout } = process;
  let broken = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') return; // fails the command, in main.ts
    broken = true;
    onGone();
  });
  return async (output, rows) => {
    if (broken) return;
    if (!stdout.write(single ? rows : withName(output, rows))) await drained(stdout);
  };
}

function withName(output: string, rows: Uint8Array): Uint8Array {
  const lines = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength).toString('utf8').trimEnd().split('\n');
  return Buffer.from(lines.map((line) => `{"output":${JSON.stringify(output)},"row":${line}}\n`).join(''));
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    stream.on('drain', done).on('close', done).on('error', done);
  });
}
