import { runInNewContext, Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { SCRIPT } from '../../lib/timeline/page-script.ts';
import type { RunTrace } from '../../lib/timeline/read-trace.ts';
import { renderTimeline } from '../../lib/timeline/render.ts';
import { makeTrace } from './make-trace.ts';

const empty: RunTrace = { run: '0000000000000-0', startedAtMs: 0, info: {}, spans: [], gaps: 0 };
const asyncRun = { trace: makeTrace({ commit: 'async', batches: 60 }), from: '.misa' };
const syncRun = { trace: makeTrace({ commit: 'sync', batches: 60 }), from: '.misa-sync' };

/** Opening and closing tags of the page fit together. */
function expectBalanced(html: string): void {
  const VOID = new Set(['meta', 'link', 'br']);
  const open: string[] = [];
  const plain = html.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '').replace(/<!doctype html>/, '');
  for (const [, close, name, self] of plain.matchAll(/<(\/?)([a-z0-9]+)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (close === '/') expect(open.pop()).toBe(name);
    else if (self !== '/' && !VOID.has(name!)) open.push(name!);
  }
  expect(open).toEqual([]);
}

describe('the page', () => {
  it('is complete in itself and may load nothing', () => {
    const { html } = renderTimeline('departures', [asyncRun, syncRun]);
    expectBalanced(html);
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/https?:\/\//);
    expect(html).not.toMatch(/\b(src|href)=|@import|url\(/);
  });

  it('shows both runs on one scale, with their figures, without JavaScript', () => {
    const { html, captions } = renderTimeline('departures', [asyncRun, syncRun]);
    const still = html.replace(/<script[\s\S]*?<\/script>/g, '');
    expect(still.match(/<section class="run">/g)).toHaveLength(2);
    const axes = [...still.matchAll(/<g class="axis">(.*?)<\/g>/g)].map(([, axis]) =>
      axis!.replaceAll(/V\d+|y="\d+"/g, ''),
    );
    expect(axes).toHaveLength(2);
    expect(axes[0]).toBe(axes[1]);
    for (const tone of ['batch', 'open', 'log', 'publish', 'fold', 'compact', 'preload', 'shade']) {
      expect(still).toMatch(new RegExp(`<path data-layer class="t-${tone}" d="M`));
    }
    expect(still).toContain('The same 60 batches');
    expect(captions).toHaveLength(2);
    expect(captions[0]).toMatch(/^async commit: .*p50 .*p99 .*% of .* commit work beside later batches/);
  });

  it('does not compare the time of runs that did other work', () => {
    const other = { trace: makeTrace({ commit: 'sync', batches: 30 }) };
    expect(renderTimeline('departures', [asyncRun, other]).html).toContain('did not do the same work');
  });

  it('is there for an empty trace, and for none', () => {
    for (const runs of [[], [{ trace: empty }]]) {
      const { html, captions } = renderTimeline('departures', runs);
      expectBalanced(html);
      expect(html).toContain('No batch was recorded');
      expect(html.replace(/<script[\s\S]*?<\/script>/g, '')).not.toMatch(/NaN|Infinity|undefined/);
      expect(captions).toHaveLength(runs.length);
    }
  });

  it('escapes whatever a trace or a store says', () => {
    const evil = `"></title></script><script>alert(1)</script><img src=x onerror='alert(2)'>`;
    const trace: RunTrace = {
      ...empty,
      info: { commit: evil, [evil]: evil },
      spans: [
        { lane: 'batch', path: evil, n: 1, startMs: 0, endMs: 5, detail: { [evil]: evil } },
        { lane: evil as 'fold', path: 'planner', n: 1, startMs: 0, endMs: 5 },
      ],
    };
    const { html } = renderTimeline(evil, [
      { trace, from: evil },
      { trace, from: evil },
    ]);
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('<img');
    expect(html.match(/<script/g)).toHaveLength(3);
    expectBalanced(html);
  });

  it('stays small for 10,000 batches', () => {
    const { html } = renderTimeline('departures', [{ trace: makeTrace({ commit: 'async', batches: 10_000 }) }]);
    expect(html.length).toBeLessThan(2_500_000);
  });

  it('has a script that parses, and does nothing where there is no run', () => {
    expect(() => new Script(SCRIPT)).not.toThrow();
    const document = {
      querySelectorAll: () => [],
      querySelector: () => null,
      getElementById: () => ({ textContent: '{}' }),
    };
    expect(() => runInNewContext(SCRIPT, { document })).not.toThrow();
  });
});
