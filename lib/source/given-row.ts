/** Rows that no decoder of ours has made, but a program or a message: taken by the same law as decoded ones. */
import type { InputForm } from './input-form.ts';
import { rowFault } from './row-limits.ts';
import { BadRecord } from './text-format.ts';

/** The row, or why it is a bad one: no plain data, beyond the limits, not of the declared fields. Shares with it what it holds. */
export function givenRow(row: unknown, form: InputForm | undefined): unknown {
  const fault = rowFault(row);
  if (fault !== undefined) return new BadRecord(fault);
  return form?.fields === undefined ? row : form.fields.pick(row);
}
