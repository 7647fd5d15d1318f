/**
 * The flat layout: NDJSON files in the directory itself, one a batch, output and partition, under a fixed name. What was
 * copied after the cursor was last written is copied again, to the same names and with the same bytes.
 *
 * An output that is a table (mode complete) has one file a partition instead, replaced by each batch's table; beside it,
 * outputs that append go on as ever.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { JobFile } from '../../job/job-file.ts';
import type { OutputSpec } from '../../stream/compile/physical.ts';
import { allOrFirstError } from '../../util/all-or-first-error.ts';
import { writeCursor } from './cursor.ts';
import type { Layout, ReadPart } from './layout.ts';
import { partsOf, plainName } from './parts.ts';
import { FLAT } from './settings.ts';
import { writeWhole } from './write-whole.ts';

const FILE = /-\d{8,}-p\d+\.ndjson$/;

/** Whether there are result files of this layout, with or without a cursor. */
export async function hasFlatFiles(directory: string): Promise<boolean> {
  return (await readdir(directory)).some((name) => FILE.test(name));
}

export class FlatLayout implements Layout {
  readonly #directory: string;
  readonly #file: JobFile;
  readonly #outputs: readonly OutputSpec[];
  readonly #onFile: (file: string) => void;
  #taken: number;
  #through: number;

  constructor(
    directory: string,
    file: JobFile,
    outputs: readonly OutputSpec[],
    through: number,
    onFile: (file: string) => void,
  ) {
    this.#directory = directory;
    this.#file = file;
    this.#outputs = outputs;
    this.#onFile = onFile;
    this.#taken = through;
    this.#through = through;
  }

  get taken(): number {
    return this.#taken;
  }

  get through(): number {
    return this.#through;
  }

  get kept(): number {
    return this.#through;
  }

  async take(n: number, _through: number, read: ReadPart): Promise<void> {
    await allOrFirstError(
      partsOf(this.#outputs, this.#file).map(async ({ name, kind, stage, partition }) => {
        const bytes = await read(name, stage, partition);
        const table = kind === 'table';
        if (bytes.length === 0 && !table) return;
        const batch = table ? '' : `-${String(n).padStart(8, '0')}`;
        const file = path.join(this.#directory, `${plainName(name)}${batch}-p${partition}.ndjson`);
        await writeWhole(file, [bytes]);
        this.#onFile(file);
      }),
    );
    this.#taken = n;
  }

  async settle(): Promise<void> {
    if (this.#taken === this.#through) return;
    await writeCursor(this.#directory, this.#file, { shape: FLAT, through: this.#taken, outputs: [] });
    this.#through = this.#taken;
  }

  async tick(): Promise<void> {}

  async finish(): Promise<void> {
    await this.settle();
  }
}
