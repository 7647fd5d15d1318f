/**
 * What the page does: it draws the runs again for whatever is looked at, and tells about what is pointed at. It only
 * changes what the static page holds already; without it the first view stays. Text from a trace goes in by
 * `textContent`, never as markup. Plain JavaScript, with the functions of `draw.ts` before it.
 */
import { DRAWING } from './draw.ts';

const VIEWER = `
const svgs = [...document.querySelectorAll('.run svg')];
const overview = document.querySelector('.overview svg');
const brush = document.querySelector('.brush');
const tip = document.getElementById('tip');
const shown = document.querySelector('.tools output');
const page = JSON.parse(document.getElementById('page').textContent);
const LEFT = page.left, RIGHT = page.right;
let view = { fromMs: page.fromMs, toMs: page.toMs, left: LEFT, width: 1 };
let runs = [];

async function load() {
  const bytes = Uint8Array.from(atob(document.getElementById('data').textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const stored = JSON.parse(await new Response(stream).text());
  runs = stored.map((layers, r) => {
    const svg = svgs[r];
    const paths = svg.querySelectorAll('path[data-layer]');
    return {
      svg,
      height: Number(svg.dataset.height),
      layers: layers.map((layer, i) => {
        const starts = new Float64Array(layer.starts.length);
        const ends = new Float64Array(layer.starts.length);
        const ns = new Float64Array(layer.starts.length);
        let us = 0, n = 0;
        layer.starts.forEach((difference, k) => {
          us += difference; n += layer.ns[k];
          starts[k] = us / 1000 - page.origins[r]; ends[k] = starts[k] + layer.durations[k] / 1000; ns[k] = n;
        });
        return { ...layer, starts, ends, ns, path: paths[i] };
      }),
    };
  });
  document.documentElement.classList.add('scripted');
  drawNow();
  listen();
}

let drawing = 0;
function draw() {
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; drawNow(); });
}
function drawNow() {
  const full = Math.max(320, svgs[0].clientWidth);
  view.width = full - LEFT - RIGHT;
  for (const run of runs) {
    run.svg.setAttribute('viewBox', '0 0 ' + full + ' ' + (run.height + 22));
    run.svg.querySelector('.axis').innerHTML = axisMarkup(view, run.height);
    let numbers = '';
    for (const l of run.layers) {
      if (l.tone !== 'numbers') l.path.setAttribute('d', spanPath(l, view, l.y, l.height, l.tone === 'shade'));
      else numbers += numberLabels(l, l.ns, view, l.y);
    }
    run.svg.querySelector('.numbers').innerHTML = numbers;
    run.svg.querySelector('.mark').setAttribute('d', '');
  }
  brush.setAttribute('x', (view.fromMs / page.allMs) * 1000);
  brush.setAttribute('width', Math.max(1, ((view.toMs - view.fromMs) / page.allMs) * 1000));
  shown.textContent = formatMs(view.fromMs) + ' – ' + formatMs(view.toMs);
}

function look(fromMs, toMs) {
  const spanMs = Math.min(page.allMs, Math.max(0.05, toMs - fromMs));
  const from = Math.min(Math.max(0, fromMs), page.allMs - spanMs);
  view = { ...view, fromMs: from, toMs: from + spanMs };
  draw();
}
function zoom(factor, atMs) {
  const at = atMs === undefined ? (view.fromMs + view.toMs) / 2 : atMs;
  look(at - (at - view.fromMs) * factor, at + (view.toMs - at) * factor);
}
function pan(share) { const by = (view.toMs - view.fromMs) * share; look(view.fromMs + by, view.toMs + by); }
const msAt = (svg, event) => view.fromMs + ((event.clientX - svg.getBoundingClientRect().left - LEFT) / view.width) * (view.toMs - view.fromMs);

function listen() {
  addEventListener('resize', draw);
  document.querySelector('.tools').addEventListener('click', (event) => {
    const act = event.target.dataset && event.target.dataset.act;
    if (act === 'in') zoom(0.5);
    if (act === 'out') zoom(2);
    if (act === 'all') look(0, page.allMs);
    if (act === 'start') look(page.fromMs, page.toMs);
  });
  for (const run of runs) listenRun(run);
  listenOverview();
}

function listenRun(run) {
  const { svg } = run;
  let drag;
  svg.addEventListener('wheel', (event) => {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / view.width);
    else if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) zoom(Math.exp((event.deltaY || event.deltaX) * 0.0022), msAt(svg, event));
    else return;
    event.preventDefault();
  }, { passive: false });
  svg.addEventListener('pointerdown', (event) => {
    drag = { x: event.clientX, fromMs: view.fromMs, toMs: view.toMs };
    svg.setPointerCapture(event.pointerId);
    svg.classList.add('dragging');
    hide();
  });
  svg.addEventListener('pointermove', (event) => {
    if (drag) {
      const by = ((drag.x - event.clientX) / view.width) * (drag.toMs - drag.fromMs);
      look(drag.fromMs + by, drag.toMs + by);
    } else point(run, event);
  });
  for (const end of ['pointerup', 'pointercancel']) svg.addEventListener(end, () => { drag = undefined; svg.classList.remove('dragging'); });
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('dblclick', (event) => zoom(0.4, msAt(svg, event)));
  svg.addEventListener('keydown', (event) => {
    const act = { ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), '+': () => zoom(0.6), '=': () => zoom(0.6), '-': () => zoom(1.6), 0: () => look(0, page.allMs), Home: () => look(page.fromMs, page.toMs) }[event.key];
    if (act) { act(); event.preventDefault(); }
  });
}

function listenOverview() {
  let drag;
  const at = (event) => { const box = overview.getBoundingClientRect(); return ((event.clientX - box.left) / box.width) * page.allMs; };
  overview.addEventListener('pointerdown', (event) => {
    const ms = at(event);
    drag = ms >= view.fromMs && ms <= view.toMs && view.toMs - view.fromMs < page.allMs * 0.98
      ? { moveBy: ms - view.fromMs, spanMs: view.toMs - view.fromMs } : { fromMs: ms };
    overview.setPointerCapture(event.pointerId);
  });
  overview.addEventListener('pointermove', (event) => {
    if (!drag) return;
    const ms = at(event);
    if (drag.moveBy !== undefined) look(ms - drag.moveBy, ms - drag.moveBy + drag.spanMs);
    else if (Math.abs(ms - drag.fromMs) > page.allMs / 500) look(Math.min(ms, drag.fromMs), Math.max(ms, drag.fromMs));
  });
  overview.addEventListener('pointerup', (event) => {
    if (drag && drag.fromMs !== undefined && Math.abs(at(event) - drag.fromMs) <= page.allMs / 500) {
      const half = (view.toMs - view.fromMs) / 2;
      look(drag.fromMs - half, drag.fromMs + half);
    }
    drag = undefined;
  });
}

const NAMES = { batch: 'Batch', open: 'Batch', log: 'Log PUT', publish: 'Publish', wait: 'Waiting for the commit side', fold: 'Fold', compact: 'Compaction', gc: 'Garbage collection', preload: 'Preload', ingest: 'Ingest', plan: 'Plan' };
const TIERS = [['memory', 'memory'], ['lmdb', 'LMDB'], ['warm', 'warm pack'], ['store', 'object store']];
const count = (value) => Math.round(value).toLocaleString('en');
const bytes = (value) => value < 1024 ? value + ' B' : value < 1048576 ? (value / 1024).toFixed(1) + ' KiB' : (value / 1048576).toFixed(1) + ' MiB';

function found(run, ms, y) {
  const grace = (2 / view.width) * (view.toMs - view.fromMs);
  for (let i = run.layers.length - 1; i >= 0; i--) {
    const l = run.layers[i];
    if (l.tone === 'shade' || l.tone === 'numbers' || y < l.y - 1 || y > l.y + l.height + 1) continue;
    const k = firstAfter(l, ms - grace);
    if (k < l.starts.length && l.starts[k] <= ms + grace) return { l, k };
  }
}
function point(run, event) {
  const box = run.svg.getBoundingClientRect();
  const x = event.clientX - box.left;
  const ms = msAt(run.svg, event);
  for (const svg of svgs) {
    const inside = x >= LEFT && x <= LEFT + view.width;
    svg.querySelector('.cursor').setAttribute('d', inside ? 'M' + x + ' 0V' + svg.dataset.height : '');
    svg.querySelector('.mark').setAttribute('d', '');
  }
  const hit = x >= LEFT ? found(run, ms, event.clientY - box.top) : undefined;
  if (!hit) { tip.style.display = 'none'; return; }
  const { l, k } = hit;
  const x0 = Math.max(LEFT, xOf(view, l.starts[k])), x1 = Math.min(LEFT + view.width, xOf(view, l.ends[k]));
  run.svg.querySelector('.mark').setAttribute('d', 'M' + x0 + ' ' + l.y + 'H' + Math.max(x0 + 1, x1) + 'V' + (l.y + l.height) + 'H' + x0 + 'z');
  tell(run.layers, l, k);
  tip.style.display = 'block';
  tip.style.left = Math.max(4, Math.min(event.clientX + 16, innerWidth - tip.offsetWidth - 8)) + 'px';
  tip.style.top = Math.max(4, event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 14 : event.clientY + 18) + 'px';
}
function tell(layers, l, k) {
  const title = document.createElement('b');
  const n = l.ns[k] > 0 ? (l.tone === 'batch' || l.tone === 'open' ? ' ' + l.ns[k] : ', batch ' + l.ns[k]) : '';
  title.textContent = (NAMES[l.tone] || l.tone) + n + ' · ' + l.group;
  const table = document.createElement('table');
  const say = (name, value) => {
    const row = table.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = value;
  };
  say(l.tone === 'open' ? 'start to published' : 'took', formatMs(l.ends[k] - l.starts[k]));
  say('from', formatMs(l.starts[k]));
  // An open batch comes just before the layer of its computing, which has the details.
  const own = l.tone === 'open' ? layers[layers.indexOf(l) + 1] : l;
  const at = own === l ? k : firstAfter(own, l.starts[k]);
  const rest = new Map(Object.keys(own.details).map((key) => [key, own.details[key][at]]).filter(([, value]) => value !== null));
  const tiers = TIERS.filter(([key]) => typeof rest.get(key) === 'number');
  const reads = tiers.reduce((sum, [key]) => sum + rest.get(key), 0);
  for (const [key, value] of rest) {
    if (tiers.some(([tier]) => tier === key)) continue;
    say(key, typeof value !== 'number' ? value : /bytes$/i.test(key) ? bytes(value) : count(value));
  }
  if (reads > 0) {
    say('reads', count(reads));
    for (const [key, name] of tiers) if (rest.get(key) > 0) say('from ' + name, count(rest.get(key)) + ' (' + ((100 * rest.get(key)) / reads).toFixed(1) + ' %)');
  }
  tip.replaceChildren(title, table);
}
function hide() {
  tip.style.display = 'none';
  for (const svg of svgs) { svg.querySelector('.cursor').setAttribute('d', ''); svg.querySelector('.mark').setAttribute('d', ''); }
}

if (svgs.length > 0 && typeof DecompressionStream === 'function') load();
`;

export const SCRIPT: string = `(() => {\n'use strict';\n${DRAWING}\n${VIEWER}})();\n`;
