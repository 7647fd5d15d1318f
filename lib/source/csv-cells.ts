/** The values of CSV cells, by the cell alone: never by other rows, so that a row is the same in every batch. */
import { errorText } from '../errors.ts';
import { Misfit } from './declared-fields.ts';
import type { FieldType } from './fields.ts';

const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/**
 * The value of a cell where no fields are declared:
 * empty → null; `true`, `True`, `TRUE` (and false) → boolean; a decimal number without leading zeros or plus sign →
 * number, unless it is an integer beyond ±(2^53 − 1) or overflows; all else → text as it stands.
 */
export function cellValue(cell: string): string | number | boolean | null {
  if (cell === '') return null;
  const first = cell.charCodeAt(0);
  if (first <= 57) {
    if (!NUMBER.test(cell)) return cell;
    const value = Number(cell) + 0; // -0 → 0
    const exact = Number.isSafeInteger(value) || /[.eE]/.test(cell);
    return exact && Number.isFinite(value) ? value : cell;
  }
  if (cell === 'true' || cell === 'True' || cell === 'TRUE') return true;
  if (cell === 'false' || cell === 'False' || cell === 'FALSE') return false;
  return cell;
}

/** The value of a cell for a field of this type, to be checked as any other. An empty one is missing. */
export function declaredCell(cell: string, type: FieldType): unknown {
  if (cell === '') return undefined;
  switch (type) {
    case 'string':
      return cell;
    case 'number':
    case 'integer':
      return NUMBER.test(cell) ? Number(cell) + 0 : cell; // -0 → 0
    case 'boolean':
    case 'timestamp':
      return cellValue(cell);
    case 'json':
      try {
        return JSON.parse(cell) as unknown;
      } catch (error) {
        return new Misfit(`is not valid JSON: ${errorText(error)}`);
      }
  }
}
