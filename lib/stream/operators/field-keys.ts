/** Keys out of columns: what `encodeKey` gives of the fields' values, mostly without a string. */
import type { FieldColumns } from '../../columns/field-columns.ts';
import type { KeyColumn } from '../../columns/key-column.ts';
import type { TextColumn } from '../../columns/text-column.ts';
import { encodeKey, type Key, type KeyPart, TEXT_BEGINS, TEXT_ENDS } from './key.ts';

/**
 * Adds the keys of rows `rows[0]` up to `rows[count]`.
 * @param fields of the key: one, or those of a list
 */
export function pushFieldKeys(
  to: KeyColumn,
  columns: FieldColumns,
  { fields, list }: { readonly fields: readonly number[]; readonly list: boolean },
  rows: Int32Array,
  count: number,
): void {
  const [field] = fields;
  const texts = columns.texts[field!];
  if (!list && texts !== undefined) {
    for (let k = 0; k < count; k++) pushText(to, texts, rows[k]!);
    return;
  }
  for (let k = 0; k < count; k++) {
    const parts = fields.map((at) => columns.value(at, rows[k]!)) as KeyPart[];
    to.push(encodeKey(list ? parts : (parts[0] as Key)));
  }
}

function pushText(to: KeyColumn, texts: TextColumn, i: number): void {
  if (texts.inBytes(i)) to.pushFramed(TEXT_BEGINS, texts.bytes, texts.start(i), texts.ends[i]!, TEXT_ENDS);
  else to.push(encodeKey(texts.value(i) as Key));
}
