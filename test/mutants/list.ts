/** The planted bugs. When a line moves, its snippet moves with it; when a rule goes, its bugs go. */
import type { Detector, Mutant } from './mutant.ts';

const at =
  (file: string) =>
  (name: string): Detector => ({ file, name });
const engineRules = at('test/engine/rules.test.ts');
const creating = at('test/log/create.test.ts');
const planObject = at('test/plan/plan-object.test.ts');
const damage = at('test/engine/damage.test.ts');
const backlog = at('test/engine/backlog.test.ts');
const state = at('test/state/partition-state.test.ts');
const refusedRow = at('test/aws/refused-row.test.ts');
const awsRules = at('test/aws/rules.test.ts');
const maintainRules = at('test/aws/maintain.test.ts');
const killed = at('test/aws/killed.test.ts');
const ingest = at('test/aws/ingest.test.ts');
const invocation = at('test/aws/invocation.test.ts');
const records = at('test/aws/records.test.ts');
const lost = at('test/aws/lost-results.test.ts');
const look = at('test/aws/look-for-input.test.ts');
const cloud = at('test/aws/cloud.test.ts');
const frame = at('test/aws/sqs-function.test.ts');
const send = at('test/cli/send.test.ts');
const fold = at('test/commit/fold.test.ts');
const compact = at('test/commit/compact.test.ts');
const forgotten = at('test/commit/forgotten.test.ts');
const memoryRows = at('test/state/memory-rows.test.ts');
const blockCache = at('test/state/block-cache.test.ts');
const law = at('test/state/table-law.test.ts');
const expiry = at('test/commit/expiry.test.ts');
const gc = at('test/commit/gc.test.ts');
const collectResults = at('test/commit/collect-results.test.ts');
const keptResults = at('test/embedded/results-retention.test.ts');
const absent = at('test/embedded/absent-results.test.ts');
const sweep = at('test/commit/sweep.test.ts');
const edits = at('test/manifest/apply-edit.test.ts');
const manifests = at('test/manifest/manifest-store.test.ts');
const distinct = at('test/stream/distinct.test.ts');
const ttl = at('test/stream/expiry.test.ts');
const columns = at('test/engine/changed-columns.test.ts');
const processing = at('test/stream/process.test.ts');
const joins = at('test/stream/join.test.ts');
const joinRows = at('test/stream/join-rows.test.ts');
const tableJoins = at('test/stream/table-join.test.ts');
const latest = at('test/stream/latest.test.ts');
const sessions = at('test/stream/session.test.ts');
const sameWindows = at('test/stream/same-window.test.ts');
const ranks = at('test/stream/top-n.test.ts');
const definition = at('test/stream/operator-definition.test.ts');

const RUNNER = 'lib/batch/partition-runner.ts';
const FOLLOWER = 'lib/batch/log-follower.ts';
const COMPUTE = 'lib/batch/compute.ts';
const PUBLISHER = 'lib/batch/publisher.ts';
const COMMIT_MODE = 'lib/batch/commit-mode.ts';
const TAIL = 'lib/log/tail.ts';
const PLANNER = 'lib/plan/planner.ts';
const STATE = 'lib/state/partition-state.ts';
const SST_LOOKUP = 'lib/state/sst-lookup.ts';
const INGEST = 'lib/aws/ingest.ts';
const MAINTAIN = 'lib/aws/maintain.ts';
const LOST_RESULTS = 'lib/aws/lost-results.ts';
const IN_ORDER = 'lib/aws/in-order.ts';
const OBJECT_SOURCE = 'lib/aws/object-source.ts';
const LOOK = 'lib/aws/look-for-input.ts';
const INVOCATION = 'lib/aws/invocation.ts';
const FOLD = 'lib/commit/fold.ts';
const GC = 'lib/commit/gc.ts';
const PLAN_COLLECT = 'lib/commit/plan-collect.ts';
const COLLECT_RESULTS = 'lib/commit/collect-results.ts';
const DISTINCT = 'lib/stream/operators/distinct.ts';
const PROCESS_BATCH = 'lib/stream/operators/process-batch.ts';
const EXPIRY = 'lib/stream/operators/expiry.ts';
const LATEST = 'lib/stream/operators/latest.ts';
const SESSION_BATCH = 'lib/stream/operators/session-batch.ts';
const SESSION_FOLD = 'lib/stream/operators/session-fold.ts';

export const MUTANTS: readonly Mutant[] = [
  // The block cache.
  {
    file: 'lib/state/block-cache.ts',
    from: 'if (number < NAMES) this.#lastNumber = Math.max(this.#lastNumber, number);',
    to: 'if (slot >= NAMES) this.#lastNumber = Math.max(this.#lastNumber, number);',
    rule: 'a number of an SST is not given again while parts have it',
    tests: [blockCache('never takes a part of an SST that was forgotten')],
  },
  {
    file: 'lib/state/block-cache.ts',
    from: '(!this.#slots.isUnchecked(slot) || isSound(value))',
    to: 'true',
    rule: 'the first read of a value after an opening checks it',
    tests: [blockCache('with bytes flipped anywhere')],
  },
  {
    file: 'lib/state/cache-file.ts',
    from: "boot === undefined || readFileSync(mark, 'utf8') !== markOf(data, boot)",
    to: 'boot === undefined',
    rule: 'nothing is believed that was written before the machine was restarted',
    tests: [blockCache('is used as it was if nothing is damaged')],
  },
  // State with an end.
  {
    file: 'lib/commit/expiry.ts',
    from: 'const { timeMs } = loaded.manifest;',
    to: 'const timeMs = loaded.dateMs;',
    rule: '⚑ log-time: state ends by the time of the log, not by the clock of the store',
    tests: [expiry('ends by the time of the last folded entry')],
  },
  {
    file: PLANNER,
    from: '(forgottenMs(row) ?? Number.POSITIVE_INFINITY) <= this.#nextMs() ? undefined : row',
    to: 'row',
    rule: '⚑ log-time: what a compaction may have left out is unknown already',
    tests: [ingest('one that comes again within 30 days of its plan is planned once')],
  },
  {
    file: 'lib/commit/pick-compaction.ts',
    from: 'return expired(manifest, options) ?? forgottenAlone(manifest, l0Trigger);',
    to: 'return forgottenAlone(manifest, l0Trigger);',
    rule: 'what has ended goes from a level that nothing else touches',
    tests: [expiry('goes from a level that nothing else touches')],
  },
  {
    file: 'lib/commit/compact.ts',
    from: 'if (isExpired === undefined) return true;',
    to: 'if (isExpired !== null) return true;',
    rule: 'what has ended goes',
    tests: [expiry('goes from a level that nothing else touches')],
  },
  // Forgotten ranges.
  {
    file: FOLD,
    from: 'gone.hasBytes(keys, start, end) || (isDeleted',
    to: '(isDeleted',
    rule: '⚑ floors: a fold writes nothing of what is forgotten',
    tests: [forgotten('writes nothing of what its entries forget')],
  },
  {
    file: FOLD,
    from: '        ...forgottenBy(entries),\n',
    to: '',
    rule: '⚑ floors: a manifest keeps those of what it has folded',
    tests: [forgotten('writes nothing of what its entries forget')],
  },
  {
    file: 'lib/manifest/apply-edit.ts',
    from: 'forgottenByBoth(manifest.forgotten ?? [], edit.forgotten)',
    to: 'edit.forgotten',
    rule: '⚑ floors: none ever falls',
    tests: [edits('keeps of each table the greatest time')],
  },
  {
    file: 'lib/commit/compact.ts',
    from: '!gone.hasBytes(entry.key, 0, entry.keyLength) && kept(entry)',
    to: 'kept(entry)',
    rule: '⚑ floors: a compaction leaves out what is forgotten',
    tests: [forgotten('leaves out what is forgotten')],
  },
  {
    file: 'lib/commit/pick-compaction.ts',
    from: 'taken.has(sst) || gone.hasAll(sst.minKey, sst.maxKey)',
    to: 'taken.has(sst)',
    rule: 'an SST of which nothing is left goes from a level, though nothing that comes down touches it',
    tests: [forgotten('drops SSTs of which nothing is left')],
  },
  {
    file: 'lib/state/floors.ts',
    from: 'minKey.charCodeAt(0) === maxKey.charCodeAt(0) && has(maxKey)',
    to: 'has(maxKey)',
    rule: '⚑ floors: an SST with rows of another table is not dropped unread',
    tests: [forgotten('is of one table, up to the time and no further')],
  },
  {
    file: STATE,
    from: 'this.floors.set(manifest.forgotten ?? NOTHING_FORGOTTEN);',
    to: '',
    rule: '⚑ floors: who goes to a manifest takes its floors',
    tests: [state('a reader under an older manifest')],
  },
  {
    file: STATE,
    from: 'if (rows.complete || this.isForgotten(table, time)) return true;',
    to: 'if (rows.complete) return true;',
    rule: '⚑ floors: what was on its way from below is not kept',
    tests: [state('rows that were on their way from below')],
  },
  {
    file: STATE,
    from: 'for (const [table, upTo] of forgotten) this.rows.forgetUpTo(table, upTo);',
    to: '',
    rule: '⚑ floors: memory forgets, too',
    tests: [state('an attempt that is dropped has forgotten nothing')],
  },
  {
    file: 'lib/state/batch-reads.ts',
    from: 'if (time <= this.floorOf(table)) return undefined;',
    to: '',
    rule: '⚑ floors: what is forgotten is not there, wherever it may be',
    tests: [state('a warm pack does not show them')],
  },
  {
    file: 'lib/state/batch-reads.ts',
    from: 'const after = Math.max(from, this.floorOf(table));',
    to: 'const after = from;',
    rule: '⚑ floors: a scan does not show what is forgotten',
    tests: [state('a reader under an older manifest')],
  },
  {
    file: 'lib/batch/log-follower.ts',
    from: 'this.#state.adoptEntry(n, entry.hash, entry.changes(), forgotten);',
    to: 'this.#state.adoptEntry(n, entry.hash, entry.changes());\n    void forgotten;',
    rule: '⚑ floors: who adopts a log entry takes them over',
    tests: [engineRules('who adopts a log entry takes over what it has forgotten')],
  },
  {
    file: 'lib/batch/compute.ts',
    from: '...(changes.forgotten.length === 0 ? {} : { forgotten: changes.forgotten }),',
    to: '',
    rule: '⚑ floors: a log entry says what its batch has forgotten',
    tests: [engineRules('who adopts a log entry takes over what it has forgotten')],
  },
  // The table contract.
  {
    file: 'lib/log/data-log.ts',
    from: 'addChangesTo: (columns) => entry.addChangesTo(columns),\n    forgotten,',
    to: 'addChangesTo: (columns) => entry.addChangesTo(columns),',
    rule: '⚑ floors: a fold learns of them from the log entry',
    tests: [law('holds of the engine')],
  },
  {
    file: 'lib/state/overlaid.ts',
    from: 'if (order === 0) hidden = true;',
    to: '',
    rule: 'a changed row hides the older one in scans and ranges',
    tests: [law('holds of the engine')],
  },
  {
    file: 'lib/state/number-rows.ts',
    from: 'if (change === DELETED) return false;',
    to: 'if (change === DELETED) return isStored;',
    rule: 'a deleted row hides the older one in columns',
    tests: [law('holds of columns of numbers')],
  },
  {
    file: 'lib/state/ordered-index.ts',
    from: 'else add(index, key);',
    to: '',
    rule: 'the order within a key is kept up with each batch',
    tests: [law('holds of the engine')],
  },
  {
    file: 'lib/state/ordered-index.ts',
    from: 'if (known !== undefined && known.complete === complete) return known;',
    to: 'if (known !== undefined) return known;',
    rule: 'the order within a key is that of what is near now',
    tests: [law('holds of the engine')],
  },
  {
    file: 'lib/state/memory-rows.ts',
    from: 'rows.isInUse(id) || this.isUnfolded(rows, id)',
    to: 'rows.isInUse(id)',
    rule: 'a row that no SST holds stays in memory',
    tests: [state('stays in memory until it is folded'), law('holds of the engine')],
  },
  {
    file: 'lib/state/memory-rows.ts',
    from: 'rows.isAbsent(id) || (this.#complete && !rows.has(id))',
    to: 'rows.isAbsent(id) || this.#complete',
    rule: 'that a row is deleted stays known until it is folded, also where memory had all rows',
    tests: [state('stays known where memory had all rows')],
  },
  {
    file: 'lib/state/memory-rows.ts',
    from: 'if (rows.isInUse(id)) rows.empty(id);\n    else rows.release(id);',
    to: 'rows.release(id);',
    rule: 'a place that a batch uses is not given to another row',
    tests: [memoryRows('a place that a batch uses')],
  },
  {
    file: 'lib/state/batch-reads.ts',
    from: '!this.#isOver && stillHolds()',
    to: 'stillHolds()',
    rule: 'a batch that is over brings no rows into memory',
    tests: [state('what a batch reads that is over by then')],
  },
  // Reads.
  {
    file: FOLLOWER,
    from: 'if (pack !== undefined && this.#state.manifest.version === version) this.#state.warmFor(n, pack);',
    to: 'if (pack !== undefined) this.#state.warmFor(n, pack);',
    rule: '⚑ one-manifest: a warm pack counts only under the one that it was asked for with',
    tests: [engineRules('a warm pack is not used if a fold is published while it is read')],
  },
  {
    file: SST_LOOKUP,
    from: 'if (found === ABSENT) {\n      open.misses++;',
    to: 'if (found === ABSENT || found === DELETED) {\n      open.misses++;',
    rule: '⚑ tombstones: one that is near ends the look-up',
    tests: [state('a row that is deleted stays deleted')],
  },
  {
    file: STATE,
    from: 'stillHolds() && !expected.isOver',
    to: '!expected.isOver',
    rule: '⚑ one-manifest: rows that were read ahead count only under the one that they were read under',
    tests: [state('rows that are brought near under one manifest')],
  },
  {
    file: COMPUTE,
    from: 'if (state.manifest.version === version) throw error;\n    return undefined;',
    to: 'throw error;',
    rule: '⚑ missing-sst: under an old manifest it means: read the manifest again',
    tests: [engineRules('an SST that is gone under the manifest at hand')],
  },

  // Results.
  {
    file: COMPUTE,
    from: 'publishedThrough: computing.publishedThrough(),',
    to: 'publishedThrough: n - 1,',
    rule: '⚑ published-known: a log entry says of results that they are out only if they are',
    tests: [awsRules('those that the store refuses for a while')],
  },
  {
    file: PUBLISHER,
    from: 'await this.publishBefore(n);\n      await publishEntry(this.#to, entry);\n      this.isOut(n);',
    to: 'await this.publishBefore(n);\n      this.isOut(n);\n      await publishEntry(this.#to, entry);',
    rule: '⚑ published-known: results count as published when they are, and not when it is tried',
    tests: [awsRules('those that the store refuses for a while')],
  },
  {
    file: PUBLISHER,
    from: 'await this.publishBefore(n);\n      await publishEntry',
    to: 'this.#onPublished(n);\n      await this.publishBefore(n);\n      await publishEntry',
    rule: '⚑ published-known: the commit side is told of a batch when its results are out',
    tests: [engineRules('a batch is not hinted at before its results are out')],
  },
  {
    file: 'lib/aws/commit-function.ts',
    from: 'own.map((hint) => (hint.published === false ? 0 : hint.n)),',
    to: 'own.map((hint) => hint.n),',
    rule: '⚑ published-known: a hint of the sweep says nothing of results',
    tests: [awsRules('those that the store refuses for a while')],
  },
  {
    file: MAINTAIN,
    from: 'n: head, published: false }',
    to: 'n: head }',
    rule: '⚑ published-known: the sweep does not know what is published, and says so',
    tests: [awsRules('those that the store refuses for a while')],
  },

  // Stages.
  {
    file: 'lib/aws/batch-function.ts',
    from: 'if (there.every(Boolean)) await triggerStage',
    to: 'if (there.some(Boolean)) await triggerStage',
    rule: '⚑ siblings: nobody begins before all are there',
    tests: [awsRules('the next stage is triggered by whoever sees that all partitions have the batch')],
  },
  {
    file: 'lib/plan/stored-source.ts',
    from: 'if (entry === undefined) {\n            // ⚑ stage-logs',
    to: 'if (entry === undefined) return NO_INPUT;\n          if (entry === undefined) {\n            // ⚑ stage-logs',
    rule: '⚑ stage-logs: one that is missing is damage, and not no rows',
    tests: [damage('a log entry that the next stage has not read is missed')],
  },
  {
    file: GC,
    from: 'readers.map((loaded) => settledThrough(loaded, retentionMs))',
    to: 'readers.map(({ manifest }) => manifest.through)',
    rule: '⚑ stage-logs: a retention longer than they are folded',
    tests: [
      gc('settle as far as the readers have folded more than a retention ago'),
      engineRules('log entries of a stage are kept a retention longer'),
    ],
  },

  // Histories and halts.
  {
    file: 'lib/plan/stored-source.ts',
    from: 'assertSamePlan(entry.header, stored.hash, log.nameOf(n));',
    to: '',
    rule: '⚑ same-plan: of what a stage hands on',
    tests: [damage('made for another plan, is not handed on')],
  },
  {
    file: RUNNER,
    from: 'if (entry !== undefined && plan !== undefined) assertSamePlan(entry.header, plan.hash, this.log.nameOf(n));',
    to: '',
    rule: '⚑ same-plan: of an entry that is there when its batch is run',
    tests: [damage('made for another plan, is not taken for its batch')],
  },
  {
    file: 'lib/embedded/engine.ts',
    from: 'for (const runner of engine.stages.flat()) runner.checkHead(position, state.hash);',
    to: 'void state;',
    rule: '⚑ same-plan: of the last plan, when an engine opens',
    tests: [damage('made for another plan, is named when an engine opens')],
  },
  {
    file: FOLLOWER,
    from: 'if (previousHash !== this.#state.hash) throw brokenChain(this.#log.nameOf(n), n);',
    to: 'void previousHash;',
    rule: '⚑ chain: of log entries',
    tests: [damage('in its place, and of another history is named')],
  },
  {
    file: PLANNER,
    from: 'if (plan.previousHash !== this.state.hash) {',
    to: 'if (plan.n < 0) {',
    rule: '⚑ chain: of plans',
    tests: [damage('in its place, and of another history is named')],
  },
  {
    file: FOLLOWER,
    from: 'if (halted !== null && triesHalted !== true) {',
    to: 'if (halted !== null && halted.n < n) {',
    rule: '⚑ halt-stops: nor the batch that it is halted at',
    tests: [engineRules('does not run the batch that it is halted at')],
    endless: true,
  },
  {
    file: 'lib/aws/ingest.ts',
    from: "await this.#plan({ ...noRows('empty'), byReference: false }, invocation);",
    to: '',
    rule: '⚑ halt-stops: whoever does not know that planning is halted plans on',
    tests: [refusedRow('halts also whoever does not know of it')],
  },
  {
    file: 'lib/aws/ingest.ts',
    from: 'if (this.#planner.state.manifest.version === manifest.version) await this.#halt(error, invocation);',
    to: 'await this.#halt(error, invocation);',
    rule: '⚑ halt-stops: a row that was skipped meanwhile halts it again',
    tests: [refusedRow('a row that somebody has skipped meanwhile')],
  },
  {
    file: 'lib/aws/ingest.ts',
    from: 'if (halted !== null) throw new HaltedError(PLANNER, halted);',
    to: '',
    rule: '⚑ halt-stops: planning goes on though it is halted',
    tests: [refusedRow('halts planning: nothing behind'), refusedRow('those behind it wait')],
  },
  {
    file: 'lib/aws/maintain.ts',
    from: 'if (halted !== null) return;',
    to: '',
    rule: '⚑ halt-stops: windows close by the clock though planning is halted',
    tests: [refusedRow('makes no empty plans meanwhile')],
  },
  {
    file: 'lib/aws/ingest.ts',
    from: 'if (hints.length === 0 && !flushes) return [];',
    to: 'if (hints.length === 0) return [];',
    rule: 'a flush reads what is listed',
    tests: [refusedRow('a flush waits with it')],
  },

  // The planner.
  {
    file: FOLLOWER,
    from: 'if (state.position === n - 1 && !this.#isHalted) {',
    to: 'if (state.position === n - 1) {',
    rule: '⚑ halt-stops: in a warm environment, too',
    tests: [awsRules('is not run by the function that halted it')],
  },
  {
    file: 'lib/commit/commit-work.ts',
    from: '{ from, expected: known, upTo, publishedThrough: known }',
    to: '{ from, expected: known, publishedThrough: known }',
    rule: '⚑ fold-known',
    tests: [engineRules('a fold goes no further than what its maker has been told of')],
  },
  {
    file: 'lib/plan/planner-log.ts',
    from: 'return encodeKey([source, name]);',
    to: 'return encodeKey([name]);',
    rule: '⚑ piece-identity: of one object in two sources',
    tests: [engineRules('one object that two sources read is planned in each of them')],
  },

  // Attempts.
  {
    file: 'lib/log/create.ts',
    from: 'if (isMine(found.body)) return',
    to: 'if (found.size < 0) return',
    rule: '⚑ attempt-id: a retried PUT that its own first try refuses is our own',
    tests: [
      engineRules('a retried PUT that is answered 412'),
      creating('is our own where the second PUT is refused because of the first'),
    ],
  },
  {
    file: 'lib/log/create.ts',
    from: 'if (isMine(found.body)) return',
    to: 'if (found.size > 0) return',
    rule: '⚑ attempt-id: what is there may be of another attempt',
    tests: [
      engineRules('what another attempt has committed is adopted'),
      creating('is another’s where that was there before the second PUT'),
    ],
  },
  {
    file: 'lib/object-store/hedging.ts',
    from: 'reject(errors.find((e) => e instanceof StoreTimeoutError) ?? errors[0]);',
    to: 'reject(errors[0]);',
    rule: 'the store’s contract: what may have taken effect is told as that, though a try failed that had none',
    tests: [creating('is told to be unknown when one PUT has failed')],
  },
  {
    file: 'lib/object-store/hedging.ts',
    from: 'if (errors.push(error) < requests || isOver) return;',
    to: 'errors.push(error);\n        if (isOver) return;',
    rule: 'an error of one try leaves the others to count',
    tests: [creating('is what the first PUT made it, if only the second fails')],
  },
  {
    file: 'lib/embedded/engine.ts',
    from: 'await HedgedCreates.of(this.context.store, this.context.clock).settled();',
    to: '',
    rule: 'a plan is taken back when no PUT of it is on its way any more',
    tests: [engineRules('a plan that was sent again is settled when both PUTs have ended')],
  },
  {
    file: RUNNER,
    from: '// ⚑ log-after-plan\n      await trigger.durable;',
    to: '',
    rule: '⚑ log-after-plan',
    tests: [engineRules('log/n waits for plan/n and its segment')],
  },
  {
    file: INVOCATION,
    from: 'invocation.signal.throwIfAborted();',
    to: '',
    rule: '⚑ live-invocation: a thawed continuation gets no further than its next request',
    tests: [invocation('stops a thawed continuation at its next request')],
  },
  {
    file: RUNNER,
    from: 'if (live) return;',
    to: 'if (n > 0 || live) return;',
    rule: '⚑ live-invocation: an attempt that outlived its invocation changes no tier',
    tests: [engineRules('a zombie whose invocation is over')],
  },
  {
    file: RUNNER,
    from: "if (written.outcome === 'taken') {",
    to: "await new Promise((resolve) => setImmediate(resolve));\n      if (written.outcome === 'taken') {",
    rule: '⚑ one-step: nothing is awaited between the last look and the change',
    tests: [engineRules('two triggers of one batch at once')],
  },
  {
    file: RUNNER,
    from: '// Another call has moved this environment on meanwhile.\n      if (this.state.position !== n - 1) return undefined;',
    to: '',
    rule: '⚑ one-step: another call may have moved this environment on',
    tests: [engineRules('two triggers of one batch at once')],
  },
  {
    file: STATE,
    from: 'if (manifest.through > this.#position) {',
    to: 'if (manifest.through < 0) {',
    rule: '⚑ left-behind',
    tests: [
      state('a tier left behind by another environment'),
      engineRules('a tier left behind by another environment'),
    ],
  },
  {
    file: COMMIT_MODE,
    from: 'while (n - 1 - state.manifest.through > job.commit.maxLag) {',
    to: 'while (n < 0) {',
    rule: '⚑ lag-bound',
    tests: [backlog('is at most K when a batch starts')],
  },

  // Sleepers.
  {
    file: 'lib/log/partition-log.ts',
    from: 'return answerDateMs - manifestDateMs < retentionMs / 2;',
    to: 'return answerDateMs - manifestDateMs < retentionMs * 1e9;',
    rule: '⚑ fresh-manifest: everywhere',
    tests: [engineRules('an attempt that sleeps past a fold'), fold('concludes nothing from log answers')],
  },
  {
    file: RUNNER,
    from: "if (creation.outcome === 'gone' || !mayConclude(creation.dateMs, state.pinned.dateMs, retentionMs)) {",
    to: "if (creation.outcome === 'gone') {",
    rule: '⚑ fresh-manifest: of a log entry that was created or refused',
    tests: [engineRules('an attempt that sleeps past a fold')],
  },
  {
    file: TAIL,
    from: "if (!answers.every(({ dateMs }) => mayConclude(dateMs, manifestMs, retentionMs))) return 'stale';",
    to: '',
    rule: '⚑ fresh-manifest: of entries that are folded',
    tests: [fold('concludes nothing from log answers')],
  },
  {
    file: TAIL,
    from: "if (!answers.every(({ dateMs }) => mayConclude(dateMs, manifestMs, retentionMs))) return 'stale';",
    to: "if (!answers.every((a) => a.entry !== undefined || mayConclude(a.dateMs, manifestMs, retentionMs))) return 'stale';",
    rule: '⚑ fresh-manifest: of log entries and plans that are there',
    tests: [engineRules('that were collected and made again by a sleeper are not applied')],
  },
  {
    file: TAIL,
    from: "if (!answers.every(({ dateMs }) => mayConclude(dateMs, manifestMs, retentionMs))) return 'stale';",
    to: "if (!answers.every((a) => a.entry === undefined || mayConclude(a.dateMs, manifestMs, retentionMs))) return 'stale';",
    rule: '⚑ fresh-manifest: of log entries that are absent',
    tests: [
      engineRules('log entries that are found absent after a long sleep'),
      sweep('takes an absent log entry for missing only under a fresh manifest'),
    ],
  },
  {
    file: PLANNER,
    from: 'if (mayConclude(dateMs, this.state.pinned.dateMs,',
    to: 'if (n > 0 || mayConclude(dateMs, this.state.pinned.dateMs,',
    rule: '⚑ fresh-manifest: of a plan that was created',
    tests: [engineRules('a planner that sleeps past a fold and a collection')],
  },
  {
    file: 'lib/commit/publish-outputs.ts',
    from: 'mayConclude(dateMs, loaded.dateMs, partition.retentionMs);',
    to: 'dateMs < Number.POSITIVE_INFINITY;',
    rule: '⚑ fresh-manifest: of results that a fold publishes',
    tests: [fold('came half a retention after the manifest')],
  },

  // Planning.
  {
    file: PLANNER,
    from: 'await sent;\n      const creation',
    to: 'void sent;\n      const creation',
    rule: '⚑ segment-first',
    tests: [engineRules('the segment is durable before the plan')],
  },
  {
    file: PLANNER,
    from: 'encodePlanObject(stored, inside)',
    to: 'encodePlanObject(stored, undefined)',
    rule: '⚑ segment-first: one that has no object of its own is in that of its plan',
    tests: [engineRules('a small segment is durable with its plan')],
  },
  {
    file: 'lib/plan/plan.ts',
    from: 'if (end + segmentBytes !== size) {',
    to: 'if (end + segmentBytes < size) {',
    rule: 'a plan whose rows are cut off is damaged, whoever reads it',
    tests: [planObject('has the length that the plan says')],
  },
  {
    file: 'lib/plan/plan.ts',
    from: 'if (end > bytes.length && bytes.length < size) return undefined;',
    to: '',
    rule: 'a plan that goes on behind what was read of it is not damaged',
    tests: [planObject('takes one more where the plan itself is long')],
  },
  {
    file: 'lib/plan/plan.ts',
    from: 'const isWhole = segmentBytes > 0 && bytes.length === size;',
    to: 'const isWhole = segmentBytes > 0;',
    rule: 'rows count as read with their plan only if all of them are',
    tests: [planObject('the end of the rows is never left out')],
  },
  {
    file: 'lib/plan/stored-source.ts',
    from: 'if (near?.planHash === stored.hash)',
    to: 'if (near !== undefined)',
    rule: 'rows that came with a plan are those of no other',
    tests: [planObject('finds the rows of a plan that a message brought')],
  },
  {
    file: 'lib/aws/batch-function.ts',
    from: 'offset: offset + place.offset',
    to: 'offset: place.offset',
    rule: 'the rows of a partition are read where they are in the object of the plan',
    tests: [awsRules('rows that a trigger cannot carry are read alone')],
  },
  {
    file: PLANNER,
    from: 'if (this.#overtaken) throw new PlanTakenError(this.state.position);',
    to: '',
    rule: '⚑ planner-overtaken: by plans that its manifest has folded',
    tests: [engineRules('a planner whose own commit side has folded plans')],
  },
  {
    file: PLANNER,
    from: 'if (this.state.position !== n - 1) throw new PlanTakenError(this.state.position);\n      this.#adopt',
    to: 'this.#adopt',
    rule: '⚑ planner-overtaken: while its own plan was on its way',
    tests: [engineRules('a plan that is ours, but planned on from by others')],
  },
  {
    file: INGEST,
    from: '    await durable;\n',
    to: '    durable.catch(() => {});\n',
    rule: '⚑ trigger-after-plan, ⚑ ack-after-plan: ingest goes on when the plan is durable',
    tests: [ingest('nothing is triggered before the plan is durable')],
  },
  {
    file: INGEST,
    from: '      try {\n        await this.#plan(gathered, invocation);\n        inbox.commit();',
    to: '      inbox.commit();\n      try {\n        await this.#plan(gathered, invocation);',
    rule: '⚑ ack-after-plan: a message is done when its plan is durable',
    tests: [
      ingest('a message whose plan another made first is planned in the next'),
      ingest('a message comes again whose plan the store did not take'),
    ],
  },
  {
    file: INGEST,
    from: 'if ((await this.#planner.planned(source, name)) !== undefined) return;',
    to: '',
    rule: '⚑ piece-identity: a message that comes again was planned',
    tests: [ingest('two deliveries of one message, long after one another, are planned once')],
  },

  {
    file: OBJECT_SOURCE,
    from: 'if (overwritten) unreadable.tellOverwritten(name);\n      return undefined;',
    to: 'if (!overwritten) return undefined;',
    rule: '⚑ piece-identity: an object is known by its name',
    tests: [ingest('knows one by its name: copied onto itself, it is not read again')],
  },
  {
    file: OBJECT_SOURCE,
    from: 'if (compareUtf8(object.key, cursor) > 0) this.#passed.set',
    to: 'this.#passed.set(placeUrl(place), page.at(-1)!.key); if (false) this.#passed.set',
    rule: '⚑ listed-when-planned: the listing is planned to what is done with, not to what is known',
    tests: [ingest('goes on with what it has not read, though only a later one is announced')],
  },
  {
    file: 'cli/commands/send.ts',
    from: 'if (length === 0) break;',
    to: 'if (length >= 0) break;',
    rule: '⚑ flush-behind',
    tests: [send('close the windows only when all that was sent is planned')],
    built: true,
  },

  // The commit side.
  {
    file: FOLD,
    from: '    await allOrFirstError<unknown>([publishing, started.stored]);\n    if (!(await publishing)) continue;',
    to: '    publishing.catch(() => {});\n    await started.stored;',
    rule: '⚑ fold-after-publish',
    tests: [fold('counts only when its results are out')],
  },
  {
    file: FOLD,
    from: 'if (entry.previousHash === previousHash) return;',
    to: 'if (entry.n > 0) return;',
    rule: '⚑ chain: of entries that are folded',
    tests: [fold('names the log entry that does not follow the one before')],
  },
  {
    file: 'lib/commit/partition.ts',
    from: 'return base.dateMs >= loaded.manifest.condemnedMs;',
    to: 'return base.dateMs > 0 || loaded.dateMs > 0;',
    rule: '⚑ may-name: an SST that was written long ago may be condemned',
    tests: [
      fold('rebuilds when it slept so long that its SST was condemned'),
      fold('rebuilds when its SST was condemned while it slept'),
    ],
  },
  {
    file: 'lib/manifest/apply-edit.ts',
    from: 'edit.sst !== null && edit.writtenAfterMs < manifest.condemnedMs',
    to: 'edit.sst !== null && edit.writtenAfterMs < -1',
    rule: '⚑ may-name: no fold names what may be condemned',
    tests: [edits('conflicts when through is another, and when its SST may be condemned')],
  },
  {
    file: 'lib/manifest/apply-edit.ts',
    from: 'written !== undefined && writtenAfterMs < manifest.condemnedMs',
    to: 'written !== undefined && writtenAfterMs < 0',
    rule: '⚑ may-name: nor does a compaction',
    tests: [edits('conflicts when outputs overlap what stays in their level, or may be condemned')],
  },
  {
    file: PLAN_COLLECT,
    from: 'Math.floor(dateMs - retentionMs / 2)',
    to: 'dateMs',
    rule: '⚑ may-name: half a retention to write an SST and to name it',
    tests: [gc('that were named once more after a collection saw them not')],
  },
  {
    file: PLAN_COLLECT,
    from: 'known.get(id) ?? dateMs',
    to: 'known.get(id) ?? 0',
    rule: '⚑ late-stamps: of an SST that was replaced',
    tests: [gc('stay a retention after the compare-and-set that replaced them')],
  },
  {
    file: 'lib/manifest/manifest-store.ts',
    from: "if (loaded.manifest.nonces.includes(nonce)) return { outcome: 'done', loaded };",
    to: '',
    rule: '⚑ edit-nonce',
    tests: [manifests('looks for its own nonce after a time-out'), fold('recognises its own edit by its nonce')],
  },
  {
    file: 'lib/manifest/apply-edit.ts',
    from: 'return isConflict(changes) ? changes : { ...stamped, ...changes };',
    to: 'return isConflict(changes) ? changes : { ...stamped, ...changes, folds: (changes.folds ?? stamped.folds).map(stamp) };',
    rule: '⚑ late-stamps: a fold is stamped by the next edit',
    tests: [
      edits('stamps what earlier edits left, and leaves its own'),
      gc('stay a retention after the compare-and-set that folded them'),
    ],
  },
  {
    file: GC,
    from: 'collectSsts(partition, loaded, stored, options)',
    to: 'collectSsts(partition, { ...base, manifest: { ...base.manifest, condemnedMs: dateMs } }, stored, options)',
    rule: '⚑ condemn-first: an edit that was lost condemns nothing',
    tests: [gc('are not deleted when the edit that condemns them is lost')],
  },
  {
    file: GC,
    from: 'const { loaded } = await editManifest(\n    store,\n    names.manifest(path),\n    (newest)',
    to: 'await collectSsts(partition, { ...base, manifest: { ...base.manifest, condemnedMs: base.dateMs } }, stored, options);\n  const { loaded } = await editManifest(\n    store,\n    names.manifest(path),\n    (newest)',
    rule: '⚑ condemn-first: the edit, then what follows from it',
    tests: [gc('are not noted before the edit that condemns them')],
  },
  {
    file: COLLECT_RESULTS,
    from: '.filter(({ n }) => n <= taken)',
    to: '.filter(({ n }) => n <= taken || n > 0)',
    rule: '⚑ results-condemned: consumers are asked once more after the mark',
    tests: [collectResults('a consumer that begins during a collection has its results, or sees the mark')],
  },
  {
    file: COLLECT_RESULTS,
    from: 'Math.min(most, smallest(looked.map(({ oldThrough }) => oldThrough)))',
    to: 'Math.min(most, Math.max(...looked.map(({ oldThrough }) => oldThrough)))',
    rule: 'results go when they are old in all outputs',
    tests: [collectResults('stay until they are that old in every output')],
  },
  {
    file: COLLECT_RESULTS,
    from: 'nowMs - Math.max(keepMs, retentionMs)',
    to: 'nowMs - keepMs',
    rule: 'results stay for R, whatever the job says',
    tests: [collectResults('stay for R at least')],
  },
  {
    file: COLLECT_RESULTS,
    from: 'Math.min(collectedThrough - 1, await takenThrough())',
    to: 'Math.min(collectedThrough, await takenThrough())',
    rule: 'results: the newest whose logs are collected stays',
    tests: [collectResults('go when they are that old')],
  },
  {
    file: COLLECT_RESULTS,
    from: 'Math.min(collectedThrough - 1, await takenThrough())',
    to: 'collectedThrough - 1',
    rule: '⚑ results-condemned: nothing is marked that a consumer still needs',
    tests: [collectResults('stay until every consumer, and the run at hand, has them')],
  },
  {
    file: GC,
    from: 'smallest(manifests.map(({ manifest }) => manifest.collectedThrough))',
    to: 'greatest(manifests.map(({ manifest }) => manifest.collectedThrough))',
    rule: 'results go when their logs are collected in every partition',
    tests: [collectResults('their logs collected in every partition')],
  },
  {
    file: 'lib/commit/commit-work.ts',
    from: 'Math.min(takenThrough(), await consumedThrough(store, names))',
    to: 'takenThrough()',
    rule: 'results: consumers are waited for',
    tests: [keptResults('waits for a consumer that is behind'), keptResults('waits for consumers where commits')],
  },
  {
    file: 'lib/embedded/commit-worker.ts',
    from: 'commitWork(context, () => taken ?? 0)',
    to: 'commitWork(context)',
    rule: 'results: the thread of commits knows what the run has taken',
    tests: [keptResults('waits for the run at hand where commits are made in a thread')],
  },
  {
    file: 'lib/embedded/result-places.ts',
    from: 'const { kept } = this.#directory ?? { kept: Number.POSITIVE_INFINITY };',
    to: 'const kept = Number.POSITIVE_INFINITY;',
    rule: 'results: the directory of the run is waited for',
    tests: [keptResults('results that wait in memory to be rolled')],
  },
  {
    file: 'lib/embedded/output/folders.ts',
    from: 'return stateless ? 0 : this.#savedThrough;',
    to: 'return this.taken;',
    rule: 'results stay until the cursor of the directory says that it has them',
    tests: [keptResults('results that wait in memory to be rolled')],
  },
  {
    file: 'lib/job/consumer-cursor.ts',
    from: 'if (cursor.#begun) return cursor;',
    to: 'return cursor;',
    rule: '⚑ results-condemned: a new consumer looks at the mark after its place is written',
    tests: [collectResults('a consumer that is overtaken before its place is written')],
  },
  {
    file: 'lib/job/consumer-cursor.ts',
    from: 'if (cursor.#begun) return cursor;',
    to: 'if (answer.found) return cursor;',
    rule: '⚑ results-condemned: one that was killed before it did looks when it comes again',
    tests: [collectResults('a consumer that was killed before it looked at the mark')],
  },
  {
    file: 'lib/embedded/output-directory.ts',
    from: 'if (opened.taken < mark.through) throw',
    to: 'if (opened.taken < 0) throw',
    rule: 'results: a directory that comes too late is refused before anything is written',
    tests: [keptResults('refuses a directory that comes too late, changes nothing')],
  },
  {
    file: COLLECT_RESULTS,
    from: 'if (last > mark.through) {',
    to: 'if (last > mark.through + 1_000_000) {',
    rule: '⚑ results-condemned: the mark before the deletion',
    tests: [
      collectResults('a collector that is killed at any request leaves nothing deleted that the mark does not say'),
    ],
  },
  {
    file: GC,
    from: 'readers: loaded[s + 1] ?? []',
    to: 'readers: loaded[s + 9] ?? []',
    rule: '⚑ stage-logs: the next stage is a reader',
    tests: [engineRules('log entries of a stage are kept until the next stage has folded')],
  },
  {
    file: 'lib/commit/compact.ts',
    from: 'if (deleted) return older.mayHold(key, 0, keyLength);',
    to: 'if (deleted) return false;',
    rule: '⚑ tombstones: kept by a compaction',
    tests: [compact('keeps a tombstone as long as something older may hold its key')],
  },
  {
    file: FOLD,
    from: '(isDeleted && !older.mayHold(keys, start, end))',
    to: 'isDeleted',
    rule: '⚑ tombstones: kept by a fold',
    tests: [fold('keeps a tombstone only where an older SST may hold its key')],
  },
  {
    file: 'lib/commit/sweep.ts',
    from: 'Math.min(planned, smallest(before.map((standing) => standing.head)));',
    to: 'Math.min(planned, -smallest(before.map((standing) => -standing.head)));',
    rule: '⚑ siblings: the sweep, too, waits for all of the stage before',
    tests: [sweep('triggers a later stage only where all of the stage before')],
  },
  {
    file: 'lib/commit/sweep.ts',
    from: 'if (ended && !halted && head < ready)',
    to: 'if (ended && head < ready)',
    rule: '⚑ halt-stops: the sweep leaves a halted partition alone',
    tests: [sweep('leaves halted partitions and what is not planned alone')],
  },

  // The sweep.
  {
    file: MAINTAIN,
    from: '{ sender, group },',
    to: '{ sender },',
    rule: '⚑ sweep-group: of triggers',
    tests: [awsRules('a sweep uses a message group of its own')],
  },
  {
    file: MAINTAIN,
    from: 'const sender =',
    to: "const sender = 'sweep-1'; void",
    rule: '⚑ sweep-group: triggers have a new id each time',
    tests: [awsRules('a sweep uses a message group of its own')],
  },
  {
    file: MAINTAIN,
    from: 'return [{ body, group, dedupId',
    to: 'return [{ body, group: path, dedupId',
    rule: '⚑ sweep-group: of hints to fold',
    tests: [awsRules('so do its hints to fold')],
  },

  {
    file: 'lib/aws/maintain-notes.ts',
    from: 'return known?.n === n ? known :',
    to: 'return known?.n === n && known.sent === 0 ? known :',
    rule: '⚑ sweep-backoff: it is known how often a message was sent',
    tests: [maintainRules('a day with stuck partitions')],
  },
  {
    file: MAINTAIN,
    from: 'noted[path] = now;',
    to: 'noted[path] = stuck;',
    rule: '⚑ sweep-backoff: the next run knows what this one has sent',
    tests: [maintainRules('a day with stuck partitions')],
  },

  {
    file: 'lib/aws/starts.ts',
    from: 'start.n === n && start.endsMs < nowMs',
    to: 'start.n === n',
    rule: '⚑ killed-starts: who may still be running does not count',
    tests: [killed('failures in good order do not count')],
  },
  {
    file: 'lib/aws/batch-function.ts',
    from: 'if (!this.#started) return;',
    to: 'if (this.#started) return;',
    rule: '⚑ killed-starts: what ends in good order is taken back',
    tests: [killed('failures in good order do not count')],
  },
  {
    file: 'lib/aws/batch-function.ts',
    from: 'filter((start) => start.n === next);',
    to: 'map((start) => ({ ...start, n: next }));',
    rule: '⚑ killed-starts: of one batch',
    tests: [killed('a catch-up in which every process is killed')],
  },

  {
    file: 'lib/aws/sqs-function.ts',
    from: 'await asInvocation(clock, { remainingMs, marginMs: Math.min(ANSWER_MS, remainingMs / 2) }, work);',
    to: 'await work();',
    rule: 'what follows the work of an invocation may hang, and its answer comes in time',
    tests: [frame('answers which messages come again before the platform kills it')],
  },

  // Objects.
  {
    file: OBJECT_SOURCE,
    from: '    this.#passed = new Map();\n    this.#seen',
    to: '    this.#seen',
    rule: '⚑ listed-when-planned: what was gathered for a plan that another made is not planned',
    tests: [ingest('what was gathered for a plan that another made first does not count as planned')],
  },
  {
    file: OBJECT_SOURCE,
    from: '    this.#seen.clear();\n',
    to: '',
    rule: '⚑ listed-when-planned: nor what came up for it',
    tests: [ingest('what was gathered for a plan that another made first does not count as planned')],
  },
  {
    file: OBJECT_SOURCE,
    from: 'compareUtf8(key, from) <= 0)',
    to: 'compareUtf8(key, from) < 0)',
    rule: 'an object that is announced again is looked at, the last of the listing too',
    tests: [ingest('reads one that was overwritten as new rows, where the deployment says so')],
  },
  {
    file: INGEST,
    from: '        inbox.rollback();\n        for (const each',
    to: '        for (const each',
    rule: '⚑ ack-after-plan: what was gathered with an object that spoils the batch is gathered again',
    tests: [ingest('one is planned though an object that comes with it spoils the batch')],
  },
  {
    file: INGEST,
    from: 'addPiece(batch.pieces, note);\n    // Some sources',
    to: 'void note;\n    // Some sources',
    rule: 'objects without rows are noted though the time is up',
    tests: [cloud('gets over objects without rows before one that takes most of an invocation')],
  },
  {
    file: INGEST,
    from: 'this.#unreadable.retry(s3Path(hint.place.bucket, hint.key));',
    to: 's3Path(hint.place.bucket, hint.key);',
    rule: 'an object that was repaired is read when it is announced again',
    tests: [ingest('reads one that was repaired as soon as it is announced again')],
  },
  {
    file: LOOK,
    from: '      if ((await this.#planner.planned(source, name))?.version !== version) continue;\n',
    to: '',
    rule: '⚑ piece-identity: what came back and was read is not forgotten',
    tests: [look('forgets nothing that came back, and was read, before it was forgotten')],
  },

  {
    file: OBJECT_SOURCE,
    from: '        if (!isFinal(error)) throw error;\n',
    to: '',
    rule: 'an object that the store does not give for now is not passed over',
    tests: [ingest('waits for one that the store does not give for now, and reads nothing before it')],
  },
  {
    file: OBJECT_SOURCE,
    from: ' ?? (await planner.planned(this.#name, namedBefore(object)))',
    to: '',
    rule: '⚑ piece-identity: names of version 0.1 count',
    tests: [ingest('knows one that version 0.1 planned, by its name with the etag')],
  },
  {
    file: LOOK,
    from: ' && !NAMED_BEFORE.test(name)',
    to: '',
    rule: '⚑ piece-identity: names of version 0.1 are not forgotten',
    tests: [look('knows what is gone before, between and behind what is there, and nothing else')],
  },
  {
    file: INGEST,
    from: '(delivery.tries ?? 1) >= HINT_TRIES',
    to: '(delivery.tries ?? 1) >= 1',
    rule: 'a hint keeps the reading going',
    tests: [cloud('gives up nothing of many objects of which one takes most of an invocation')],
  },

  // The look for input.
  {
    file: LOOK,
    from: 'if (look.meanwhile && !this.#isPassed(place, before)) continue;',
    to: 'if (look.meanwhile) continue;',
    rule: 'input that nobody announced is found though plans are made all the time',
    tests: [look('finds what lies before all that is planned though plans are made all the time')],
  },
  {
    file: LOOK,
    from: 'if (page.length === 0 || (--left',
    to: 'if ((--left',
    rule: 'a look begins anew behind the last page',
    tests: [look('finds what lies before all that is planned though plans are made all the time')],
  },
  {
    file: LOOK,
    from: 'this.#isPassed(place, after) ? PASSED : this.#planner.position',
    to: 'this.#planner.position',
    rule: '⚑ sweep-backoff: of input that waits, though plans are made',
    tests: [look('finds what lies before all that is planned though plans are made all the time')],
  },
  {
    file: LOOK,
    from: 'look.waitsAfter = before;',
    to: 'look.waitsAfter = object.key;',
    rule: 'a look begins with the object that waits',
    tests: [look('sends one message, and less and less often while nothing moves')],
  },

  // Results on their way to sinks.
  {
    file: 'lib/aws/sink-function.ts',
    from: 'await this.#deliver(announced, { signal });\n            // ⚑ taken-known\n            taken.push([output, partition, n]);',
    to: 'taken.push([output, partition, n]);\n            await this.#deliver(announced, { signal });',
    rule: '⚑ taken-known: a note names what is delivered, and not what is tried',
    tests: [lost('that fails for good is tried after 2, 4, 8, 16 hours')],
  },
  {
    file: LOST_RESULTS,
    from: '[[0, smallest(ns, last + 1) - 1]]',
    to: '[[0, last]]',
    rule: '⚑ taken-known: what was published before sinks were told of anything is theirs, if later than the first that they were told of',
    tests: [lost('is announced again after two hours, and only this one')],
  },
  {
    file: LOST_RESULTS,
    from: 'if (ended) while (i < gaps.length) close();',
    to: 'while (i < gaps.length) close();',
    rule: '⚑ taken-known: what a look does not come to is not gone',
    tests: [lost('far behind others that were taken come, too')],
  },
  {
    file: LOST_RESULTS,
    from: 'return outputs.map(({ stage, partition }) => through.get(partitionPath(stage, partition))!);',
    to: 'return outputs.map(({ partition }) => through.get(partitionPath(0, partition))!);',
    rule: '⚑ taken-known: what is not published yet is not gone',
    tests: [lost('is looked for as far as its own stage and partition have published')],
  },
  {
    file: LOST_RESULTS,
    from: 'if (!(await saveDelivered(store, names, places, etag))) return 0;\n  if (notes.length > 0) await store.delete(notes);',
    to: 'if (notes.length > 0) await store.delete(notes);\n  if (!(await saveDelivered(store, names, places, etag))) return 0;',
    rule: 'lost results: notes go when what they say is kept',
    tests: [lost('comes, and nothing else, whatever request the look is killed at')],
  },
  {
    file: LOST_RESULTS,
    from: 'if (!(await saveDelivered(store, names, places, etag))) return 0;',
    to: 'if (messages.length > 0) await queue(resultsQueue).send(messages.splice(0));\n  if (!(await saveDelivered(store, names, places, etag))) return 0;',
    rule: '⚑ sweep-backoff: that a result is announced again is known before it is sent',
    tests: [lost('comes, and nothing else, whatever request the look is killed at')],
  },
  {
    file: LOST_RESULTS,
    from: 'missing: since, again: sent };\n}',
    to: 'missing: since };\n}',
    rule: '⚑ sweep-backoff: it is known how often a result was announced again',
    tests: [lost('that fails for good is tried after 2, 4, 8, 16 hours')],
  },
  {
    file: LOST_RESULTS,
    from: 'nowMs - modifiedMs < LOST_MS || !isDue',
    to: '!isDue',
    rule: 'lost results: what is on its way is not announced',
    tests: [lost('is on its way, though others have been missing for long')],
  },
  {
    file: LOST_RESULTS,
    from: 'const places: Record<string, OutputDelivered> = {};',
    to: 'const places: Record<string, OutputDelivered> = { ...delivered };',
    rule: 'lost results: those of a time without sinks are not announced',
    tests: [lost('was published while there were no sinks, before and between')],
  },
  {
    file: LOST_RESULTS,
    from: 'name: quarantineOf(stage), stage',
    to: 'name: quarantineOf(0), stage',
    rule: 'lost results: of all outputs, rows that later stages set aside included',
    tests: [lost('is looked for as far as its own stage and partition have published')],
  },

  // The queue that keeps order.
  {
    file: IN_ORDER,
    from: 'if (records.some(isFifo)) return records;',
    to: '',
    rule: 'FIFO: messages are planned as they come, whatever the clocks say',
    tests: [records('unlike a FIFO queue, whose are taken as they come')],
  },
  {
    file: IN_ORDER,
    from: 'sentMs(a) - sentMs(b)',
    to: 'sentMs(b) - sentMs(a)',
    rule: 'a standard queue: messages of one invocation are planned by the time they were sent',
    tests: [records('gives messages that come in one invocation to plans by the time they were sent')],
  },
  {
    file: IN_ORDER,
    from: 'return isFifo(record) && isFinal(error);',
    to: 'return isFifo(record) && error === isFinal;',
    rule: 'FIFO: what can never be planned holds up nobody',
    tests: [records('passes over a message that can never be planned')],
  },
  {
    file: IN_ORDER,
    from: 'return isFifo(record) && isFinal(error);',
    to: 'return isFifo(record) && error !== undefined;',
    rule: 'FIFO: what fails for now waits, and its tries last',
    tests: [records('waits longer each time for a store that is down')],
  },
  {
    file: 'lib/aws/inbox.ts',
    from: 'for (const work of this.works) work.at = work.planned;',
    to: '',
    rule: '⚑ ack-after-plan: what was gathered for a plan that another made is gathered again',
    tests: [ingest('a message whose plan another made first is planned in the next')],
  },
  {
    file: INGEST,
    from: 'else if (work.planned < work.messages.length) left',
    to: 'else if (work.planned < work.messages.length && work.planned > 0) left',
    rule: '⚑ ack-after-plan: of messages that are not planned none is done, so that all come again, in order',
    tests: [records('waits longer each time for a store that is down')],
  },

  // Results, and reads, again.
  {
    file: PUBLISHER,
    from: 'const published = this.#last.then(publish);',
    to: 'const published = publish();',
    rule: '⚑ output-order: one after the other',
    tests: [engineRules('out/n is published after out/n−1')],
  },
  {
    file: 'lib/commit/publish-outputs.ts',
    from: 'for (const entry of entries.slice(from)) {',
    to: 'for (const entry of entries.slice(from).reverse()) {',
    rule: '⚑ output-order: in a fold',
    tests: [fold('publishes what batch functions did not get to')],
  },
  {
    file: 'lib/batch/publish.ts',
    from: 'if (rows.length > 0) await createOnce',
    to: 'if (rows.length >= 0) await createOnce',
    rule: '⚑ absent-is-empty: no object for no rows',
    tests: [absent('a batch without rows in an output makes no object there')],
  },
  {
    file: 'lib/commit/publish-outputs.ts',
    from: 'rowsOf(entry, output).length > 0',
    to: 'rowsOf(entry, output).length >= 0',
    rule: '⚑ absent-is-empty: nor by a fold',
    tests: [fold('publishes those that have rows, and looks for no others')],
  },
  {
    file: 'lib/embedded/read-result.ts',
    from: 'const { entry } = await new DataLog(',
    to: 'const early = await this.#store.get(this.#names.out(output, partition, n));\n    const late = new DataLog(this.#store, this.#names, path);\n    if (!early.found && (await late.readEntry(n)).entry === undefined) return undefined;\n    const { entry } = await new DataLog(',
    rule: '⚑ absent-is-empty: the entry first, then the object',
    tests: [absent('the entry is read before the object')],
  },
  {
    file: 'lib/embedded/read-result.ts',
    from: 'return n <= manifest.collectedThrough;',
    to: 'return n > 0;',
    rule: '⚑ absent-is-empty: an entry is collected, or damaged',
    tests: [absent('an entry that is missing though nothing has collected it is damage')],
  },
  {
    file: 'lib/embedded/output-directory.ts',
    from: 'if (n <= mark.through) throw',
    to: 'if (n < 0) throw',
    rule: '⚑ absent-is-empty: who is not waited for looks at the mark',
    tests: [absent('a directory that retention overtakes while it copies is told')],
  },
  {
    file: 'lib/embedded/output-directory.ts',
    from: 'const rows = known(output, partition) ?? (await this.#results.read({ output, stage, partition }, n));\n      if (rows !== undefined) return rows;\n      // ⚑ absent-is-empty: directories are not waited for, so the mark says whether anything was there.\n      const mark = await loadResultsMark(this.#store, this.#names);',
    to: 'const mark = await loadResultsMark(this.#store, this.#names);\n      const rows = known(output, partition) ?? (await this.#results.read({ output, stage, partition }, n));\n      if (rows !== undefined) return rows;',
    rule: '⚑ absent-is-empty: at the mark as it is after that',
    tests: [absent('a directory that retention overtakes while it copies is told')],
  },
  {
    file: COLLECT_RESULTS,
    from: '{ through: last, retentionMs: keepMs }',
    to: '{ through, retentionMs: keepMs }',
    rule: 'results: the mark goes no further than they do',
    tests: [collectResults('the mark goes no further than results do')],
  },
  {
    file: 'cli/state/positions.ts',
    from: '.filter((_, i) => entry!.output(i).length > 0)',
    to: '',
    rule: '⚑ absent-is-empty: results are out as far as those are that there must be',
    tests: [absent('results are out as far as those are that there must be')],
  },
  {
    file: LOST_RESULTS,
    from: 'if (ended) while (i < gaps.length) close();',
    to: '',
    rule: '⚑ absent-is-empty: what is not there needs no delivery',
    tests: [lost('is announced again after two hours, and only this one')],
  },
  {
    file: STATE,
    from: 'if (this.#readers > 0 && manifest.version',
    to: 'if (this.#readers > 9 && manifest.version',
    rule: '⚑ one-manifest: a batch reads under one',
    tests: [state('what a batch has found in memory is there until it has ended')],
  },
  {
    file: STATE,
    from: "if (version !== this.#pinned.manifest.version) return 'overtaken';",
    to: '',
    rule: '⚑ one-manifest: all rows, read into memory',
    tests: [state('all rows that are read under one manifest are dropped under the next')],
  },
  {
    file: STATE,
    from: 'this.#warm = undefined;\n    if (manifest.through',
    to: 'if (manifest.through',
    rule: '⚑ one-manifest: a warm pack that waits for its batch',
    tests: [engineRules('a warm pack is not used under another manifest')],
  },
  {
    file: COMPUTE,
    from: 'if (state.manifest.version === version) throw error;\n    return undefined;',
    to: 'return undefined;',
    rule: '⚑ missing-sst: under a fresh manifest it is damage',
    tests: [damage('under a fresh manifest it is corruption')],
    endless: true,
  },
  // Operators.
  {
    file: 'lib/stream/operators/window-fold.ts',
    from: 'Math.min(watermark, firstEndAfter(spec, watermark) - 2)',
    to: 'watermark',
    rule: 'operators: what an operator gives later is later than its output watermark',
    tests: [distinct('within, behind windows: rows follow the watermark of the batch before')],
  },
  {
    file: DISTINCT,
    from: 'const late = Math.max(batch.late, context.previousEvict);',
    to: 'const late = Math.max(batch.late, context.evict);',
    rule: 'operators: keys are forgotten by what is late, not by what the batch closes',
    tests: [distinct('within, behind windows: rows follow the watermark of the batch before')],
  },
  {
    file: DISTINCT,
    from: '(known !== undefined && known > late) ||',
    to: 'known !== undefined ||',
    rule: 'operators: a key is forgotten when the watermark is past it',
    tests: [distinct('gives what is first among all rows so far')],
  },
  {
    file: DISTINCT,
    from: 'if (known !== undefined) expiries.delete(key, known);',
    to: '',
    rule: 'operators: a key that comes again is forgotten by its new row',
    tests: [distinct('gives what is first among all rows so far')],
  },
  {
    file: DISTINCT,
    from: 'if (!emitRow(batch, i, context)) continue;',
    to: 'emitRow(batch, i, context);',
    rule: 'operators: a row that is refused leaves no trace',
    tests: [distinct('a row that a function behind refuses was none')],
  },
  {
    file: DISTINCT,
    from: 'if (evict === Infinity || !(evict > previousEvict)) return undefined;',
    to: 'if (evict === Infinity) evict = 1e6;\n    if (!(evict > previousEvict)) return undefined;',
    rule: 'operators: a flush forgets no key',
    tests: [distinct('a flush forgets no key')],
  },
  {
    file: SESSION_FOLD,
    from: '(watermark) => watermark - 1',
    to: '(watermark) => watermark',
    rule: 'operators: what an operator gives later is later than its output watermark',
    tests: [sessions('behind each other: no row that one gives is late by its own time')],
  },
  {
    file: SESSION_FOLD,
    from: 'Math.min(lateOf(batch!, context), evict)',
    to: 'previousEvict',
    rule: 'operators: a session that has ended is final, whether or not an empty batch came between',
    tests: [sessions('no row joins a session that has ended')],
  },
  {
    file: SESSION_BATCH,
    from: 'if (touching.length > 1) add(k);',
    to: '',
    rule: 'operators: sessions are as if rows came one after the other',
    tests: [sessions('are those that rows make one after the other')],
  },
  {
    file: SESSION_BATCH,
    from: 'session !== newest && (session.touched >= 0 || moved)',
    to: 'session !== newest && session.touched >= 0',
    rule: 'operators: a session stays when a later one of its key begins',
    tests: [sessions('are those that rows make one after the other')],
  },
  {
    file: 'lib/stream/operators/session-tables.ts',
    from: 'isFound = session[0] > to;',
    to: 'isFound = session[0] >= to;',
    rule: 'operators: sessions that touch are one',
    tests: [sessions('are those that rows make one after the other')],
  },
  {
    file: 'lib/stream/operators/same-window.ts',
    from: 'return watermark + 1;',
    to: 'return watermark;',
    rule: 'operators: the same window closes with the one its rows came out of',
    tests: [sameWindows('closes in the batch that closes the session')],
  },
  {
    file: 'lib/stream/operators/same-windows.ts',
    from: 'column.push(keys.text(i) + encoded);',
    to: 'column.push(keys.text(i) + encodeKey(0));',
    rule: 'operators: windows of one end are told apart by their start',
    tests: [sameWindows('tells windows of one end apart by their start')],
  },
  {
    file: 'lib/stream/operators/top-n.ts',
    from: 'else best.own?.(slots, 0);',
    to: '',
    rule: 'operators: stored rows are not changed in place',
    tests: [ranks('the first %i of all rows so far')],
  },
  {
    file: EXPIRY,
    from: 'if (dueAt(since, ms) > context.clock) return this.#arm(context, key, since, ms);',
    to: '',
    rule: 'operators: a key that was touched since its entry was written is kept',
    tests: [ttl(', by processing time: ')],
  },
  {
    file: EXPIRY,
    from: 'const { clock, evict } = context;\n    if (isFlush(evict) || clock === -Infinity) return undefined;',
    to: 'const { clock } = context;\n    if (clock === -Infinity) return undefined;',
    rule: 'operators: a flush forgets no key by state.ttl',
    tests: [ttl(', by processing time: ')],
  },
  {
    file: EXPIRY,
    from: 'if (row !== now) touched.put(key, 0, now);',
    to: '',
    rule: 'operators: the time of a key begins anew with each row',
    tests: [ttl(', by processing time: ')],
  },
  {
    file: FOLLOWER,
    from: 'this.#checkLayout(layoutVersion);',
    to: '',
    rule: '⚑ newer-layout, in the log',
    tests: [columns('a process with the old job reads no rows of the new one')],
  },
  {
    file: FOLLOWER,
    from: 'this.#checkLayout(loaded.manifest.layoutVersion);\n    state.adopt(loaded);',
    to: 'state.adopt(loaded);',
    rule: '⚑ newer-layout, folded',
    tests: [columns('a process with the old job reads no rows of the new one')],
  },
  {
    file: 'lib/stream/operators/fold.ts',
    from: 'for (const slot of unused) slots[slot] = 0;',
    to: 'for (const slot of unused) slots.splice(slot, 1);',
    rule: 'layouts: a slot keeps its place',
    tests: [columns('columns that come count from there on')],
  },
  {
    file: 'lib/stream/operators/fold.ts',
    from: 'const shown = whole(state);',
    to: 'const shown = state;',
    rule: 'layouts: what is shown of an old row has the columns that came since',
    tests: [columns('columns that come count from there on')],
  },
  {
    file: 'lib/stream/compile/layout-change.ts',
    from: 'return { columns: [...columns, ...added], changes, refusals };',
    to: 'return { columns: [...added, ...columns], changes, refusals };',
    rule: 'layouts: new columns come behind the others',
    tests: [columns('columns that come count from there on')],
  },
  {
    file: 'lib/stream/compile/compile.ts',
    from: "wiring.generators.length === 0 ? 'processing-time' : 'watermark'",
    to: "'watermark'",
    rule: 'layouts: what is kept by one clock is not read by another',
    tests: [columns('no watermark any more')],
  },
  {
    file: PROCESS_BATCH,
    from: 'const now = this.#isFlush ?',
    to: 'const now = this.#context.n < 0 ?',
    rule: 'process: in a flush it is as late as the timer says',
    tests: [processing('does what its programs say')],
  },
  {
    file: PROCESS_BATCH,
    from: 'if (segment?.clock === clock && !isBefore(segment.last, timer)) {',
    to: 'if (segment?.clock === clock) {',
    rule: 'process: timers fire in order of time, those that are set meanwhile, too',
    tests: [processing('fires timers in order of time and key, however many there are')],
  },
  {
    file: 'lib/stream/operators/process-key.ts',
    from: 'for (let i = undo.length - 1; i >= 0; i--) undo[i]!();',
    to: '',
    rule: 'process: a call that fails leaves no trace',
    tests: [processing('does what its programs say')],
  },
  {
    file: 'lib/commit/fold.ts',
    from: '...(last.wakeMs === undefined ? {} : { wakeMs: last.wakeMs }),',
    to: '',
    rule: 'process: the manifest says when the next timer is due',
    tests: [processing('fires timers by processing time when no row comes')],
  },
  {
    file: LATEST,
    from: 'time < before[0]) return false;',
    to: 'time <= before[0]) return false;',
    rule: 'operators: of rows of one time the last that came counts',
    tests: [latest('is the last of all rows so far')],
  },
  {
    file: LATEST,
    from: 'context.emit(0, copyPlain(row), time',
    to: 'context.emit(0, row, time',
    rule: 'operators: what leaves state is a copy',
    tests: [latest('what comes behind it cannot change what it holds')],
  },
  {
    file: 'lib/stream/operators/join-side.ts',
    from: 'due.scan(-Infinity, evict)',
    to: 'due.scan(previousEvict, evict)',
    rule: 'joins: what the watermark passes along with a flush is forgotten, too',
    tests: [joins('give what the model gives')],
  },
  {
    file: 'lib/stream/operators/join-batch.ts',
    from: 'else partner.match(key, entry.position);',
    to: '',
    rule: 'joins: a row that has had a partner never comes out without one',
    tests: [joins('give what the model gives')],
  },
  {
    file: 'lib/stream/operators/join-batch.ts',
    from: 'return followed[port] ? forgotten : Math.max(forgotten, this.#inputs[other(port)]!.late);',
    to: 'return forgotten;',
    rule: 'joins: windows end by the one watermark that there is',
    tests: [joins('give what the model gives')],
  },
  {
    file: 'lib/stream/operators/join-batch.ts',
    from: 'this.#context.mayRefuse ? [attempt, give, keep]',
    to: 'this.#context.mayRefuse ? [give, keep]',
    rule: 'joins: a row that is refused leaves no trace',
    tests: [joinRows('leaves no trace, neither results nor state')],
  },
  {
    file: 'lib/stream/operators/join-arrivals.ts',
    from: '- this.#back <= slot)',
    to: '- this.#back < slot)',
    rule: 'joins: a range has both its ends',
    tests: [joins('give what the model gives')],
  },
  {
    file: 'lib/stream/operators/join-spec.ts',
    from: 'return lag === 0 ? watermark : watermark - lag - 1;',
    to: 'return lag === 0 ? watermark : watermark - lag + 2;',
    rule: 'joins: results are not late behind the join',
    tests: [joins('give rows with the event time that was asked for')],
  },
  {
    file: 'lib/stream/operators/table-join.ts',
    from: 'held === undefined ? null : copyPlain(held[1])',
    to: 'held === undefined ? null : held[1]',
    rule: 'joins: what leaves a table is a copy',
    tests: [tableJoins('what leaves the table is a copy')],
  },
  {
    file: 'lib/stream/graph/graph.ts',
    from: '.filter((_, port) => !lookups.includes(port))',
    to: '.filter((_, port) => port < 9 || !lookups.includes(port))',
    rule: 'operators: what is looked up holds no watermark back',
    tests: [definition('is placed, wired and written into the layout')],
  },
  {
    file: 'lib/stream/compile/places.ts',
    from: 'other.sideOutput?.of === of)[0] ?? node',
    to: 'other.sideOutput?.of !== other && of === 1)[0] ?? node',
    rule: 'operators: a side output is given by the operator beside it',
    tests: [definition('is placed, wired and written into the layout')],
  },
];
