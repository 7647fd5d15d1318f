/**
 * CSV as RFC 4180 quotes it, with LF: a header row, values in the order of the columns. Null and missing values are empty,
 * the empty text is `""`, so that readers who care can tell them apart; objects and arrays are JSON.
 */

/** Values that must be quoted: readers would split or trim them, or take them for null. */
const QUOTED = /[",\r\n]|^\s|\s$|^$/;

export function csvHeader(names: readonly string[]): string {
  return `${names.map(textField).join(',')}\n`;
}

export function csvLine(row: Readonly<Record<string, unknown>>, names: readonly string[]): string {
  const line = names.map((name) => field(Object.hasOwn(row, name) ? row[name] : null)).join(',');
  // Most readers skip an empty line.
  return line === '' ? '""\n' : `${line}\n`;
}

function field(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? textField(JSON.stringify(value)) : textField(String(value));
}

function textField(text: string): string {
  return QUOTED.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
