/** Inputs as streams of rows: see docs/inputs.md. */
export { expandInputs } from './expand-inputs.ts';
export { type FileRef, fileRef, hashFile } from './file-blocks.ts';
export { detectFormat, type InputFormat } from './format.ts';
export type { InputObject, ObjectReader } from './input-object.ts';
export { type EndOfFile, type OpenOptions, openRows } from './open-rows.ts';
export { BAD_ROW, type BadRow, type RowChunk, type RowPosition } from './rows.ts';
