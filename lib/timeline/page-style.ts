/**
 * How the page looks. Two families of colour tell the story, and colour-blind people can tell them apart: blue is what a
 * batch waits for, orange is commit work. Lanes have places and names too; colour is never the only sign.
 */
export const STYLE = `
:root { color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1c2330; --soft: #5b6472; --faint: #8d95a3; --line: #e4e6ea; --grid: #edeff2;
  --batch: #2f6bd0; --open: #2f6bd048; --log: #6fa8ee; --publish: #1f4f96; --wait: #9aa2ae;
  --fold: #e08a1e; --compact: #b4480f; --shade: #f0a04b40; --preload: #2f9e8f; --gc: #a79f94;
  --ingest: #9fb2cf; --plan: #6b7f9e; --brush: #2f6bd012; --mark: #1c2330; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12151b; --card: #191d25; --ink: #e8ebf0; --soft: #a3adbb; --faint: #77818f; --line: #2b313c; --grid: #232833;
  --batch: #5b94f2; --open: #5b94f258; --log: #8fbcf7; --publish: #c2dafb; --wait: #6b7482;
  --fold: #f2a33c; --compact: #dd6b2f; --shade: #f2a33c3a; --preload: #46b8a7; --gc: #7d766c;
  --ingest: #62728c; --plan: #93a5c2; --brush: #5b94f21f; --mark: #ffffff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 13px/1.45 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1480px; margin: 0 auto; padding: 20px 24px 28px; }
header { display: flex; flex-wrap: wrap; gap: 4px 24px; align-items: baseline; justify-content: space-between; }
h1 { font-size: 21px; font-weight: 650; letter-spacing: -.01em; margin: 0; overflow-wrap: anywhere; }
h1 span { color: var(--faint); font-weight: 400; }
.headline { flex-basis: 100%; margin: 0; font-size: 14.5px; color: var(--soft); }
.headline b { color: var(--ink); font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 10px 0 0; padding: 0; list-style: none; color: var(--soft); font-size: 12px; }
.legend i { display: inline-block; width: 14px; height: 10px; border-radius: 2px; margin-right: 6px; vertical-align: -0.5px; }
.legend .shade { outline: 1px solid var(--line); outline-offset: -1px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin-top: 12px; padding: 12px 16px 8px; }
.run-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 28px; margin-bottom: 6px; }
h2 { font-size: 15px; font-weight: 650; margin: 0; }
h2 small { font-weight: 400; font-size: 12px; color: var(--faint); margin-left: 8px; }
dl { display: flex; flex-wrap: wrap; gap: 2px 24px; margin: 0; flex-basis: 100%; }
dl div { display: flex; gap: 7px; align-items: baseline; }
dt { color: var(--soft); font-size: 12px; } dd { margin: 0; font-size: 14px; font-weight: 600; }
.note { color: var(--faint); font-size: 12px; margin: 2px 0 4px; }
.reading { color: var(--soft); font-size: 12.5px; margin: 6px 0 0; }
.overview { display: grid; grid-template-columns: 164px 1fr; align-items: center; padding: 8px 24px 8px 16px; }
.overview .names { white-space: nowrap; font-size: 12px; line-height: 26px; color: var(--soft); }
.overview .names b { font-weight: 600; color: var(--ink); }
.overview svg { width: 100%; touch-action: none; cursor: crosshair; }
.overview .ends { grid-column: 2; display: flex; justify-content: space-between; color: var(--faint); font-size: 11px; }
svg { display: block; }
.run svg { width: 100%; height: auto; touch-action: pan-y; cursor: grab; outline: none; }
.run svg.dragging { cursor: grabbing; }
.run svg:focus-visible { outline: 2px solid var(--batch); outline-offset: 2px; border-radius: 4px; }
svg { font: 11px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif; font-variant-numeric: tabular-nums; }
:where(path[data-layer]) { fill: var(--faint); }
.axis path { stroke: var(--grid); fill: none; } .axis text { fill: var(--faint); text-anchor: middle; }
.group { fill: var(--ink); font-weight: 600; } .row { fill: var(--faint); text-anchor: end; font-size: 10px; }
.numbers text { fill: var(--soft); font-size: 9.5px; pointer-events: none; }
.cursor { stroke: var(--faint); stroke-dasharray: 2 3; pointer-events: none; }
.mark { fill: none; stroke: var(--mark); stroke-width: 1.5; pointer-events: none; }
.brush { fill: var(--brush); stroke: var(--batch); stroke-width: 1; vector-effect: non-scaling-stroke; }
.tools { display: none; gap: 6px; align-items: center; } .scripted .tools { display: flex; }
.tools button { font: inherit; font-size: 12px; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 2px 10px; cursor: pointer; }
.tools button:hover { border-color: var(--faint); } .tools output { color: var(--soft); font-size: 12px; min-width: 170px; text-align: right; }
#tip { position: fixed; z-index: 2; display: none; pointer-events: none; max-width: 330px; background: var(--card); color: var(--ink);
  border: 1px solid var(--line); border-radius: 8px; box-shadow: 0 6px 24px #0003; padding: 8px 12px; font-size: 12px; }
#tip b { display: block; font-size: 13px; margin-bottom: 3px; }
#tip table { border-spacing: 0; } #tip td { padding: 0 14px 0 0; vertical-align: top; } #tip td + td { text-align: right; padding: 0; font-weight: 600; }
#tip td:first-child { color: var(--soft); }
footer { margin-top: 10px; color: var(--faint); font-size: 12px; max-width: 110ch; }
${['batch', 'open', 'log', 'publish', 'wait', 'fold', 'compact', 'shade', 'preload', 'gc', 'ingest', 'plan']
  .map((tone) => `.t-${tone} { fill: var(--${tone}); background: var(--${tone}); }`)
  .join('\n')}
@media print { .tools { display: none !important; } section { break-inside: avoid; } }
`;
