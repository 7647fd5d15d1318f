/**
 * A folder in which anything happens to files between runs, against one rule: each row is in the results exactly once, or the
 * run was refused with an error that names the file. Runs are killed at any request in between.
 */
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InputError } from '../../lib/errors.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FastClock } from '../helpers/engine.ts';
import { copyJob, Folder, idsIn } from '../helpers/folder.ts';
import { CrashError, hookedStore } from '../helpers/stores.ts';

type Step =
  | { do: 'create' | 'append' | 'tail'; file: number; rows: number }
  | { do: 'touch' | 'rotate' | 'copy-truncate' | 'compress' | 'delete'; file: number }
  | { do: 'rename' | 'copy'; file: number; to: number }
  | { do: 'rewrite' | 'shorten'; file: number }
  | { do: 'run' }
  | { do: 'kill'; after: number };

const FILES = 5;
const file = fc.nat(FILES - 1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('create' as const), file, rows: fc.nat(9) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('append' as const, 'tail' as const),
        file,
        rows: fc.integer({ min: 1, max: 7 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'touch' as const,
          'rotate' as const,
          'copy-truncate' as const,
          'compress' as const,
          'delete' as const,
        ),
        file,
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('rename' as const, 'copy' as const), file, to: file }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('rewrite' as const, 'shorten' as const), file }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('run' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('kill' as const), after: fc.integer({ min: 1, max: 40 }) }) },
  ),
  { minLength: 3, maxLength: 16 },
);

interface ModelFile {
  content: string;
  /** What was read of its content in a run that ended, and lives in no other file. */
  seen: number;
  /** Is a copy that no run has seen: nothing may be done to it, or the model would have to know which rows are whose. */
  fresh: boolean;
  /** It was there under these; and under this one when a run last ended. */
  names: readonly string[];
  planned?: string;
}

/** Rows long enough for a beginning of a file to be told from another one. */
const row = (id: number): string => `{"id":${id},"text":"${String(id).padEnd(1500, '.')}"}\n`;

class Model {
  readonly folder = new Folder();
  readonly store = new MemoryStore({ clock: new FastClock() });
  readonly job = copyJob(3);
  readonly files = new Map<string, ModelFile>();
  /** Of each row that must be in the results once a run has ended. */
  readonly expected = new Set<number>();
  /** Names of what was deleted: what comes under them is refused, since it is not known to be another file. */
  readonly #burnt = new Set<string>();
  #next = 0;
  #mtime = 1;
  /** Something is in the folder that must be refused: how to take it back. */
  #undo: { name: string; back: () => void; refused: boolean } | undefined;

  async apply(step: Step): Promise<void> {
    if (step.do === 'run') return this.#run();
    if (step.do === 'kill') return this.#kill(step.after);
    if (this.#undo !== undefined) return;
    const name = `f${step.file}.ndjson`;
    const known = this.files.get(name);
    if (step.do === 'create') {
      if (known === undefined && !this.#burnt.has(name)) this.#put(name, this.#rows(step.rows));
      return;
    }
    if (known === undefined || known.fresh) return;
    if (step.do === 'append' || step.do === 'tail') {
      const before = known.content.endsWith('\n') || known.content === '' ? '' : '\n';
      const more = before + this.#rows(step.rows);
      known.content += step.do === 'tail' ? more.trimEnd() : more;
      appendFileSync(this.folder.path(name), step.do === 'tail' ? more.trimEnd() : more);
      this.#age(name);
    } else if (step.do === 'touch') this.#age(name);
    else if (step.do === 'delete') {
      // What nobody has read may not be taken away, or its rows would be nowhere.
      if (known.seen !== known.content.length) return;
      this.#remove(name);
      for (const used of known.names) this.#burnt.add(used);
    } else if (step.do === 'rename' || step.do === 'copy') {
      const to = `f${step.to}.ndjson`;
      if (this.files.has(to) || this.#burnt.has(to) || known.content === '') return;
      const names = [...known.names, to];
      if (step.do === 'rename') {
        renameSync(this.folder.path(name), this.folder.path(to));
        this.files.set(to, { ...known, names });
        this.files.delete(name);
      } else {
        copyFileSync(this.folder.path(name), this.folder.path(to));
        this.files.set(to, { ...known, fresh: true, names: [to] });
        known.fresh = true;
      }
    } else if (step.do === 'rotate' || step.do === 'copy-truncate') {
      const to = `r${this.#next}.ndjson`;
      if (known.content === '' || known.seen === 0) return;
      if (step.do === 'rotate') {
        renameSync(this.folder.path(name), this.folder.path(to));
        writeFileSync(this.folder.path(name), '');
      } else {
        copyFileSync(this.folder.path(name), this.folder.path(to));
        truncateSync(this.folder.path(name));
      }
      this.files.set(to, { ...known, names: [to] });
      this.files.set(name, { content: '', seen: 0, fresh: true, names: [name] });
      this.#age(name);
    } else if (step.do === 'compress') {
      if (known.content === '') return;
      const to = `${name.slice(0, -7)}-${this.#next++}.ndjson.gz`;
      writeFileSync(this.folder.path(to), gzipSync(known.content));
      this.#remove(name);
      this.files.set(to, { ...known, fresh: true, names: [...known.names, to] });
    } else if (known.seen > 0 && known.planned === name && !this.#isCopied(known)) {
      const before = readFileSync(this.folder.path(name));
      const after = step.do === 'rewrite' ? before.toString().replace('id', 'ID') : before.subarray(0, known.seen - 1);
      writeFileSync(this.folder.path(name), after);
      this.#age(name);
      const back = (): void => {
        writeFileSync(this.folder.path(name), before);
        this.#age(name);
      };
      this.#undo = { name, back, refused: step.do === 'rewrite' };
    }
  }

  /** Beside a copy that no run has seen, a file that was changed is one that was rotated. */
  #isCopied(known: ModelFile): boolean {
    const read = known.content.slice(0, known.seen);
    return [...this.files.values()].some((file) => file !== known && file.fresh && file.content.startsWith(read));
  }

  /** A run to the end. Whatever it says, what must not be wrong is not. */
  async #run(): Promise<void> {
    if (this.#undo !== undefined) {
      const { name, back, refused } = this.#undo;
      const error = await this.folder.run(this.store, { moved: 'skip' }, this.job).catch((error: unknown) => error);
      // A shortened file may still hold what was read of a copy of it.
      if (refused || error instanceof Error) {
        expect(error).toMatchObject({ code: 'INPUT_CHANGED', message: expect.stringContaining(name) });
      }
      back();
      this.#undo = undefined;
    }
    const before = await idsIn(this.store);
    expect(before.length).toBe(new Set(before).size);
    // Without a choice nothing may come twice; it may be refused, with the file's name.
    await this.folder.run(this.store, {}, this.job).catch((error: unknown) => {
      expect(error).toBeInstanceOf(InputError);
      expect(error).toMatchObject({ code: 'INPUT_MOVED', message: expect.stringContaining(this.folder.directory) });
    });
    const asked = await idsIn(this.store);
    expect(asked.length, 'rows that came twice unasked').toBe(new Set(asked).size);
    await this.folder.run(this.store, { moved: 'skip' }, this.job);
    for (const [name, model] of this.files) {
      model.planned = name;
      model.seen = model.content.length;
      model.fresh = false;
      for (const [, id] of model.content.matchAll(/"id":(\d+)/g)) this.expected.add(Number(id));
    }
    expect(await idsIn(this.store)).toEqual([...this.expected].sort((a, b) => a - b));
  }

  async #kill(after: number): Promise<void> {
    if (this.#undo !== undefined) return;
    let calls = 0;
    const die = (): void => {
      if (++calls >= after) throw new CrashError('dead');
    };
    const dying = hookedStore(this.store, { before: die, after: die });
    await this.folder.run(dying, { moved: 'skip' }, this.job).catch(() => {});
  }

  #put(name: string, content: string): void {
    this.folder.write(name, content);
    this.files.set(name, { content, seen: 0, fresh: false, names: [name] });
    this.#age(name);
  }

  #remove(name: string): void {
    rmSync(this.folder.path(name));
    this.files.delete(name);
  }

  /** A modification time of its own, whatever the file system's clock does. */
  #age(name: string): void {
    utimesSync(this.folder.path(name), this.#mtime, this.#mtime);
    this.#mtime++;
  }

  #rows(count: number): string {
    return Array.from({ length: count }, () => row(this.#next++)).join('');
  }
}

it('whatever happens to the files of a folder, each row comes once, or the run names the file', {
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const model = new Model();
      try {
        for (const step of [...script, { do: 'run' } as const]) await model.apply(step);
      } finally {
        model.folder.remove();
      }
    }),
    { numRuns: 60 },
  );
});
