/** What a job says of the form of a source's input; without a word the name of the input, and its rows, say it. */
import type { CsvLayout } from './csv-layout.ts';
import type { DeclaredFields } from './declared-fields.ts';

export interface InputForm {
  /** How CSV is laid out, where it is not as its name says. */
  readonly csv?: CsvLayout | undefined;
  /** What rows are made of; `undefined`: of all that they hold. */
  readonly fields?: DeclaredFields | undefined;
  /** Where no fields are declared: those that are all that will be asked of most rows. Others can be asked, too. */
  readonly asked?: readonly string[] | undefined;
}
