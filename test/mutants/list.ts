/** The planted bugs. When a line moves, its snippet moves with it; when a rule goes, its bugs go. */
import type { Detector, Mutant } from './mutant.ts';

const at =
  (file: string) =>
  (name: string): Detector => ({ file, name });
const engineRules = at('test/engine/rules.test.ts');
const damage = at('test/engine/damage.test.ts');
const state = at('test/state/partition-state.test.ts');
const awsRules = at('test/aws/rules.test.ts');
const gc = at('test/commit/gc.test.ts');

const RUNNER = 'lib/batch/partition-runner.ts';
const PLANNER = 'lib/batch/planner.ts';
const STATE = 'lib/state/partition-state.ts';

export const MUTANTS: readonly Mutant[] = [
  // Reads.
  {
    file: RUNNER,
    from: 'if (pack !== undefined && state.manifest.version === loaded.manifest.version) state.warmFor(n, pack);',
    to: 'if (pack !== undefined) state.warmFor(n, pack);',
    rule: 'invariant 3: a warm pack counts only under the manifest that it was asked for with',
    tests: [engineRules('a warm pack is not used if a fold is published while it is read')],
  },
  {
    file: 'lib/state/sst-reads.ts',
    from: 'if (value !== undefined) {\n          found[i] = value;\n          cost.lmdb++;',
    to: 'if (value !== undefined && value !== null) {\n          found[i] = value;\n          cost.lmdb++;',
    rule: 'invariant 3: a tombstone that is near ends the look-up',
    tests: [state('a row that is deleted stays deleted')],
  },
  {
    file: STATE,
    from: 'if (this.#pinned.manifest.version !== version) return;',
    to: '',
    rule: 'invariant 3: rows that were read ahead count only under the manifest that they were read under',
    tests: [state('rows that are brought near under one manifest')],
  },
  {
    file: RUNNER,
    from: 'if (state.manifest.version === version) throw error;\n      return undefined;',
    to: 'throw error;',
    rule: 'an SST that is missing under an old manifest means: read the manifest again',
    tests: [engineRules('an SST that is gone under the manifest at hand')],
  },

  // Results.
  {
    file: RUNNER,
    from: 'publishedThrough: this.#publishedThrough,',
    to: 'publishedThrough: n - 1,',
    rule: 'invariant 12: a log entry says of results that they are out only if they are',
    tests: [awsRules('that the store refuses for a while')],
  },
  {
    file: RUNNER,
    from: 'await this.#publishBefore(n);\n      await publishEntry({ store, names, partition: this.#partition }, entry);\n      this.#publishedThrough = Math.max(this.#publishedThrough, n);',
    to: 'await this.#publishBefore(n);\n      this.#publishedThrough = Math.max(this.#publishedThrough, n);\n      await publishEntry({ store, names, partition: this.#partition }, entry);',
    rule: 'invariant 12: results count as published when they are, and not when it is tried',
    tests: [awsRules('that the store refuses for a while')],
  },
  {
    file: RUNNER,
    from: 'await this.#publishBefore(n);\n      await publishEntry',
    to: 'committer.committed(this.path, n);\n      await this.#publishBefore(n);\n      await publishEntry',
    rule: 'invariant 12: the commit side is told of a batch when its results are out',
    tests: [engineRules('a batch is not hinted at before its results are out')],
  },
  {
    file: 'lib/aws/commit-function.ts',
    from: 'own.filter((hint) => hint.published !== false)',
    to: 'own',
    rule: 'invariant 12: a hint of the sweep says nothing of results',
    tests: [awsRules('that the store refuses for a while')],
  },
  {
    file: 'lib/aws/maintain.ts',
    from: 'n: head, published: false }',
    to: 'n: head }',
    rule: 'invariant 12: the sweep does not know what is published, and says so',
    tests: [awsRules('that the store refuses for a while')],
  },

  // Stages.
  {
    file: 'lib/aws/batch-function.ts',
    from: 'if (there.every(Boolean)) await triggerStage',
    to: 'if (there.some(Boolean)) await triggerStage',
    rule: '⚑ siblings',
    tests: [awsRules('the next stage is triggered by whoever sees that all partitions have the batch')],
  },
  {
    file: 'lib/batch/stored-source.ts',
    from: 'if (entry !== undefined) return decodeInput(entry.next(partition));',
    to: 'return entry === undefined ? NO_INPUT : decodeInput(entry.next(partition));',
    rule: 'invariant 12: a later stage sees each batch, or halts',
    tests: [damage('a log entry that the next stage has not read is missed')],
  },
  {
    file: 'lib/commit/gc.ts',
    from: 'readers.map((loaded) => settledThrough(loaded, retentionMs))',
    to: 'readers.map(({ manifest }) => manifest.through)',
    rule: '⚑ stage-logs',
    tests: [
      gc('settle as far as the readers have folded more than a retention ago'),
      engineRules('log entries of a stage are kept a retention longer'),
    ],
  },

  // Histories and halts.
  {
    file: RUNNER,
    from: 'if (previousHash !== this.state.hash) throw brokenChain(this.log.nameOf(n), n);',
    to: 'void previousHash;',
    rule: 'invariant 2: log entries chain',
    tests: [damage('of another history is named')],
  },
  {
    file: PLANNER,
    from: 'if (plan.previousHash !== this.state.hash) {',
    to: 'if (plan.n < 0) {',
    rule: 'invariant 2: plans chain',
    tests: [damage('of another history is named')],
  },
  {
    file: RUNNER,
    from: 'if (halted !== null) {',
    to: 'if (halted !== null && halted.n < n) {',
    rule: 'a halted partition runs nothing before it is resumed',
    tests: [engineRules('does not run the batch that it is halted at')],
  },

  // The planner.
  {
    file: 'lib/runtime/commit-work.ts',
    from: '{ expected: known, upTo, publishedThrough: known }',
    to: '{ expected: known, publishedThrough: known }',
    rule: 'a fold goes no further than its maker has been told of, or it looks like the work of another process',
    tests: [engineRules('a fold goes no further than what its maker has been told of')],
  },
  {
    file: 'lib/batch/planner-log.ts',
    from: 'return encodeKey([source, name]);',
    to: 'return encodeKey([name]);',
    rule: '⚑ piece-identity',
    tests: [engineRules('one object that two sources read is planned in each of them')],
  },
];
