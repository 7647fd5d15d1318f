/**
 * Functions of the user that are proven to be nothing but accesses to fields of their row, by their text: an arrow function of one
 * plain parameter whose body is `row.name` or `row['name']`, or a list of these. Such a function does not change its row and gives the
 * same whenever it is called, so that columns can stand for it. What is written in any other way proves nothing, and is called.
 */

/** What a proven function gives: the value of a field, or a list of such values. */
export interface FieldAccess {
  readonly fields: readonly string[];
  readonly list: boolean;
}

/** Taken once: a program may put another in its place. */
const textOf = Function.prototype.call.bind(Function.prototype.toString) as (f: unknown) => string;

const NAME = '[A-Za-z_$][A-Za-z0-9_$]*';
/** `row => …` or `(row) => …`, and what is behind the arrow. */
const ARROW = new RegExp(`^(?:(${NAME})|\\(\\s*(${NAME})\\s*\\))\\s*=>\\s*([^]*)$`);
/** An access to a field of `row` and what follows. Names within quotes have neither escapes nor quotes. */
const ACCESS = new RegExp(
  `^(${NAME})\\s*(?:\\.\\s*(${NAME})|\\[\\s*(?:'([^'"\\\\\\r\\n]*)'|"([^'"\\\\\\r\\n]*)")\\s*\\])\\s*`,
);

/** What the function is proven to give; `undefined`: it must be called. */
export function fieldAccess(f: unknown): FieldAccess | undefined {
  if (typeof f !== 'function') return undefined;
  const arrow = ARROW.exec(textOf(f));
  if (arrow === null) return undefined;
  const row = (arrow[1] ?? arrow[2])!;
  const body = arrow[3]!;
  const list = /^\[\s*/.exec(body);
  const fields: string[] = [];
  let rest = list === null ? body : body.slice(list[0].length);
  for (;;) {
    const access = ACCESS.exec(rest);
    if (access === null || access[1] !== row) return undefined;
    fields.push((access[2] ?? access[3] ?? access[4])!);
    rest = rest.slice(access[0].length);
    if (list === null || rest[0] !== ',') break;
    rest = rest.slice(1).trimStart();
  }
  if (rest !== (list === null ? '' : ']')) return undefined;
  return { fields, list: list !== null };
}

/** The one field whose value the function is proven to give; `undefined`: it must be called. */
export function fieldOf(f: unknown): string | undefined {
  const access = fieldAccess(f);
  return access === undefined || access.list ? undefined : access.fields[0];
}
