/** What a benchmark found, and how that is shown: tables on the terminal, JSON, and one page with the plots in it. */
import type { Machine } from './measure.ts';
import { escapeXml } from './plot.ts';

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** Whether an aim was met in this run. */
export interface Budget {
  readonly what: string;
  readonly aim: string;
  readonly found: string;
  readonly met: boolean;
}

export interface Finding {
  readonly name: string;
  readonly tables: readonly Table[];
  readonly budgets: readonly Budget[];
  /** By file name. */
  readonly plots: Readonly<Record<string, string>>;
  /** All that was measured, for machines. */
  readonly data: unknown;
}

export function cell(value: string | number): string {
  if (typeof value === 'string') return value;
  if (Number.isNaN(value)) return '–';
  return value.toLocaleString('en', {
    maximumFractionDigits: Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2,
  });
}

export function tableText({ title, columns, rows }: Table): string {
  const cells = [columns, ...rows].map((row) => row.map(cell));
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  const lineOf = (row: readonly string[]): string =>
    `  ${row.map((c, i) => (i === 0 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!))).join('  ')}`;
  const rule = `  ${widths.map((w) => '─'.repeat(w)).join('  ')}`;
  return [`\n${title}`, lineOf(cells[0]!), rule, ...cells.slice(1).map(lineOf)].join('\n');
}

export function budgetsTable(findings: readonly Finding[]): Table {
  return {
    title: 'Budgets',
    columns: ['what', 'aim', 'found', 'met'],
    rows: findings.flatMap((f) => f.budgets.map((b) => [b.what, b.aim, b.found, b.met ? 'yes' : 'NO'])),
  };
}

export function reportPage(machine: Machine, findings: readonly Finding[]): string {
  const table = ({ title, columns, rows }: Table): string =>
    `<h3>${escapeXml(title)}</h3><table><tr>${columns.map((c) => `<th>${escapeXml(c)}</th>`).join('')}</tr>${rows
      .map((row) => `<tr>${row.map((c) => `<td>${escapeXml(cell(c))}</td>`).join('')}</tr>`)
      .join('')}</table>`;
  const parts = findings.map(
    (f) => `<h2>${escapeXml(f.name)}</h2>${Object.values(f.plots).join('')}${f.tables.map(table).join('')}`,
  );
  const { cpu, cores, memoryGiB, node, os, date } = machine;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Misa: benchmarks</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 800px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #8884; text-align: right; } th:first-child, td:first-child { text-align: left; }
svg { max-width: 100%; height: auto; display: block; margin: 1rem 0; } h3 { font-size: 14px; margin: 1rem 0 0; }
</style><h1>Misa: benchmarks</h1><p>${escapeXml(`${cpu}, ${cores} cores, ${memoryGiB} GiB; node ${node}; ${os}; ${date}`)}. Compare figures of one
run with each other, not with those of another machine or hour.</p>${table(budgetsTable(findings))}${parts.join('')}</html>\n`;
}
