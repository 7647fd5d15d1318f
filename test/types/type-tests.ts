// biome-ignore-all format: the API contract's own file; where a line breaks decides what @ts-expect-error covers
// biome-ignore-all lint: as above
// biome-ignore-all assist: as above
/** What must and must not compile against the public API; checked by `tsc`, never run. */
import { job, source, tumbling, sliding, session, table, count, sum, avg, min, max, maxBy, first, last, countDistinct, quantile, collect, topN, aggregator, duration } from 'misa';
import type { Stream, RowOf, RowOfFields, StandardSchema, Job } from 'misa';
import { testJob } from 'misa/testing';

type Eq<A, B> = (<X>() => X extends A ? 1 : 2) extends (<X>() => X extends B ? 1 : 2) ? true : false;
const is = <T extends true>(): T => true as T;

interface Flight { event_time: number; carrier: string; dep_delay: number; arr_delay: number | null; gap: number }
interface Carrier { code: string; name: string }
const flights = source<Flight>('flights', { eventTime: (f) => f.event_time, delay: '3 hours' });
const carriers = source<Carrier>('carriers');

source<Flight>('csv', { csv: { delimiter: ';', header: ['a', 'b'] }, eventTime: (f) => f.event_time, eventTimeUnit: 's', delay: 0 });
source<Flight>('csv', { csv: { header: false }, eventTimeUnit: 'ns' });
// @ts-expect-error there is no such unit
source<Flight>('csv', { eventTimeUnit: 'sec' });
// @ts-expect-error the header is named, or not there
source<Flight>('csv', { csv: { header: true } });

const events = source('events', {
  fields: { user: 'string', amount: 'number', n: 'integer', at: 'timestamp', ok: 'boolean', tag: 'string?', seen: 'timestamp?', extra: 'json', more: 'json?' },
  eventTime: (e) => e.at,
  delay: '1 min',
});
is<Eq<RowOf<typeof events>, { user: string; amount: number; n: number; at: number; ok: boolean; tag: string | null; seen: number | null; extra: unknown; more: unknown }>>();
// @ts-expect-error there is no such field
source('events', { fields: { user: 'string' }, eventTime: (e) => e.at });
// @ts-expect-error there is no such type
source('events', { fields: { user: 'text' } });
// @ts-expect-error it may be null
events.keyBy((e) => e.user).aggregate({ x: sum((e) => e.tag) });
const declaredFields = { user: 'string', at: 'timestamp' } as const;
const events2 = source('events', { fields: declaredFields });
is<Eq<RowOf<typeof events2>, RowOfFields<typeof declaredFields>>>();

const hourly = flights.filter((f) => f.dep_delay > 0).keyBy((f) => f.carrier).window(tumbling('1 hour'));
const agg = hourly.aggregate({ departures: count(), meanDelay: avg((f) => f.dep_delay), worst: max((f) => f.dep_delay) });
is<Eq<RowOf<typeof agg>, { key: string; windowStart: number; windowEnd: number; departures: number; meanDelay: number; worst: number }>>();

const more = flights.keyBy((f) => [f.carrier, f.dep_delay]).aggregate({
  a: avg((f) => f.arr_delay), m: min((f) => f.arr_delay), n: countDistinct((f) => f.carrier), q: quantile((f) => f.dep_delay, [0.5, 0.99]), q1: quantile((f) => f.dep_delay, 0.5),
  rows: collect(), names: collect((f) => f.carrier, { limit: 10 }), f: first((f) => f.carrier), l: last(), t: topN(3, { by: (f) => f.dep_delay }), mb: maxBy((f) => f.dep_delay),
  c: count((f) => f.dep_delay > 3),
  own: aggregator({ init: () => ({ n: 0 }), add: (acc, f: Flight) => ({ n: acc.n + f.dep_delay }), merge: (a, b) => ({ n: a.n + b.n }), result: (a) => String(a.n) }),
  own2: aggregator({ init: () => 0, add: (acc, f: Flight) => acc + f.dep_delay, merge: (a, b) => a + b }),
});
is<Eq<RowOf<typeof more>, { key: [string, number]; a: number | null; m: number | null; n: number; q: readonly [number | null, number | null]; q1: number | null; rows: Flight[]; names: string[]; f: string; l: Flight; t: Flight[]; mb: Flight; c: number; own: string; own2: number }>>();

const ctxOwn = flights.keyBy((f) => f.carrier).aggregate({
  own: aggregator({ init: () => 0, add: (acc, f) => acc + f.dep_delay, merge: (a, b) => a + b }),
});
is<Eq<RowOf<typeof ctxOwn>, { key: string; own: number }>>();

// @ts-expect-error unknown column
hourly.aggregate({ x: sum((f) => f.nope) });
// @ts-expect-error not a number
hourly.aggregate({ x: sum((f) => f.carrier) });
// @ts-expect-error reserved name
hourly.aggregate({ key: count() });
// @ts-expect-error bad unit
tumbling('1 fortnight');
tumbling(duration(process.env['SIZE'] ?? '1 h'));
sliding('10s', '2 s');
// @ts-expect-error an object is no key
flights.keyBy((f) => f);
// @ts-expect-error undefined is no key
flights.keyBy((f) => (f.arr_delay === null ? undefined : f.arr_delay));

const ses = flights.keyBy((f) => f.carrier).window(session((f) => f.gap)).aggregate({ n: count() });
const ses2 = flights.keyBy(() => null).window(session('10 s')).reduce((a, b) => (a.dep_delay > b.dep_delay ? a : b));
is<Eq<RowOf<typeof ses2>, { key: null; windowStart: number; windowEnd: number; value: Flight }>>();

interface L { id: number; t: number; a: string } interface R { id: number; t: number; b: boolean }
const l = source<L>('l', { eventTime: (r) => r.t, delay: 0 }).keyBy((r) => r.id);
const r = source<R>('r', { eventTime: (r) => new Date(r.t), delay: 0 }).keyBy((r) => r.id);
const inner = l.join(r, { select: (x, y, at) => ({ a: x.a, b: y.b, k: at.key }) });
is<Eq<RowOf<typeof inner>, { a: string; b: boolean; k: number }>>();
const left = l.join(r, { type: 'left', within: { before: 0, after: '1 h' }, where: (x, y) => x.t < y.t, select: (x, y) => ({ a: x.a, b: y?.b ?? null }) });
is<Eq<RowOf<typeof left>, { a: string; b: boolean | null }>>();
const right = l.join(r, { type: 'right', within: '5 s', select: (x, y) => ({ a: x?.a, b: y.b }) });
const full = l.join(r, { type: 'full', window: tumbling('10 s'), select: (x, y, at) => ({ id: at.key, a: x?.a ?? null, b: y?.b ?? null, end: at.windowEnd }) });
is<Eq<RowOf<typeof full>, { id: number; a: string | null; b: boolean | null; end: number }>>();
const semi = l.join(r, { type: 'leftSemi', window: tumbling('10 s') });
is<Eq<RowOf<typeof semi>, L>>();
const semi2 = l.join(r, { type: 'leftSemi', window: tumbling('10 s'), select: (x, at) => ({ a: x.a, w: at.windowStart }) });
is<Eq<RowOf<typeof semi2>, { a: string; w: number }>>();
// @ts-expect-error may be null
l.join(r, { type: 'left', within: '5 s', select: (x, y) => y.b });
// @ts-expect-error no window here
l.join(r, { within: '5 s', select: (x, y, at) => at.windowEnd });
// @ts-expect-error keys differ
l.join(carriers.keyBy((c) => c.code), { select: (x, y) => y.name });
const tab = flights.keyBy((f) => f.carrier).join(table(carriers.keyBy((c) => c.code)), { type: 'left', select: (f, c) => ({ ...f, name: c?.name ?? '?' }) });
const lit = flights.keyBy((f) => (f.dep_delay > 0 ? 'late' : 'ok')).join(carriers.keyBy((c) => c.code), { select: (_f, c, at) => at.key + c.name });

const p = l.process<{ n: number }, { id: number; n: number }>({
  init: () => ({ n: 0 }),
  onRow(row, ctx) { ctx.state.n++; ctx.timers.set(row.t + 10); ctx.ttl('1 day'); },
  onTimer(time, ctx) { ctx.emit({ id: ctx.key, n: ctx.state.n }, { eventTime: time }); ctx.clear(); },
});
is<Eq<typeof p, Stream<{ id: number; n: number }>>>();
// @ts-expect-error emits nothing unless said
l.process({ init: () => 0, onRow(row, ctx) { ctx.state += row.t; ctx.emit(1); } });

declare const schema: StandardSchema<unknown, Flight>;
const s2 = source('s2', { schema, eventTime: (f) => f.event_time });
is<Eq<RowOf<typeof s2>, Flight>>();
const s3 = source('s3', { fields: { carrier: 'string' }, schema, eventTime: (f) => f.event_time });
is<Eq<RowOf<typeof s3>, Flight>>();

job('kept', agg, { results: { retention: '7 days' } });
job('kept', agg, { results: { retention: 1000 } });
job('kept', agg, { results: {} });
// @ts-expect-error a week is no duration
job('kept', agg, { results: { retention: 'a week' } });
const j = job('departures', agg, { outputMode: 'append', partitions: 4 });
const j2 = job('two', { hourly: agg, late: hourly.late() });
is<Eq<typeof j2, Job<{ hourly: RowOf<typeof agg>[]; late: Flight[] }>>>();
// @ts-expect-error a keyed stream is no output
job('x', l);
const t = await testJob(j);
t.send(flights, [{ event_time: 1, carrier: 'UA', dep_delay: 1, arr_delay: null, gap: 0 }]);
// @ts-expect-error wrong row
t.send(flights, [{ carrier: 3 }]);
t.send('flights', [{ carrier: 3 }]);
const rows = await t.runBatch();
is<Eq<typeof rows, RowOf<typeof agg>[]>>();
const u = flights.union(carriers); is<Eq<RowOf<typeof u>, Flight | Carrier>>();
const g = u.filter((x) => 'code' in x); is<Eq<RowOf<typeof g>, Carrier>>();
void [ses, right, tab, lit, more];

import { sameWindow } from 'misa';
const perWindow = agg.keyBy(() => null).window(sameWindow()).aggregate({ carriers: count(), most: maxBy((r) => r.departures) });
is<Eq<RowOf<typeof perWindow>['carriers'], number>>();
// @ts-expect-error rows without a window
flights.keyBy((f) => f.carrier).window(sameWindow());

// run: the rows of onBatch are those of the job's outputs, told apart by the output's name.
import { run, type BatchResults, type RunEvent } from 'misa';
const single = job('single', agg);
const named = job('named', { agg, own: ctxOwn });
run(single, { inputs: { flights: 'data/*.ndjson.gz' }, onBatch: ({ output, rows }) => { if (output === 'out') rows[0]!.departures.toFixed(); else rows[0]!.reason.trim(); } });
run(named, { inputs: { flights: ['a', 'b'] }, async onBatch(r) { if (r.output === 'own') r.rows[0]!.own.toFixed(); } });
run(named, { inputs: { flights: (async function* () { yield { a: 1 }; })() }, signal: new AbortController().signal }).done.then((s) => s.planned['flights']!.toFixed());
run(named, { inputs: { flights: { id: 'f', format: 'csv', from: (planned) => [String(planned.toFixed())] } }, onEvent: (e: RunEvent) => { if (e.type === 'progress') e.steps.batch?.toFixed(); } });
is<Eq<BatchResults<{ key: string }[]>['output'], 'out' | '_quarantine'>>();
// @ts-expect-error inputs are needed
run(single, {});
// @ts-expect-error no such format
run(single, { inputs: { flights: { from: [], format: 'xml' } } });
// @ts-expect-error no such output
run(named, { inputs: {}, onBatch: (r) => r.output === 'nope' });
