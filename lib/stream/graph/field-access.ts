/**
 * Functions of the user that are proven to be nothing but accesses to fields of their row, by their text: an arrow function of one
 * plain parameter whose body is `row.name` or `row['name']`, or a list of these; or a comparison of one with a number. Such a function does not change its row and gives the
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

/** A comparison with a number, behind an access. */
const COMPARED = /^(>=|<=|>|<)\s*(-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,14})?)$/;

/** What the function is proven to give; `undefined`: it must be called. */
export function fieldAccess(f: unknown): FieldAccess | undefined {
  const [row, body] = arrowOf(f) ?? [];
  if (body === undefined) return undefined;
  const list = /^\[\s*/.exec(body);
  const fields: string[] = [];
  let rest = list === null ? body : body.slice(list[0].length);
  for (;;) {
    const access = ACCESS.exec(rest);
    if (access === null || access[1] !== row) return undefined;
    fields.push(fieldIn(access));
    rest = rest.slice(access[0].length);
    if (list === null || rest[0] !== ',') break;
    rest = rest.slice(1).trimStart();
  }
  if (rest !== (list === null ? '' : ']')) return undefined;
  return { fields, list: list !== null };
}

/** A proven function's comparison of a field with a number, such as `row => row.delay > 15`. */
export interface FieldTest {
  readonly field: string;
  /** What it says of a value of the field that is a number; of null what it says of 0, as the language has it. */
  readonly holds: (value: number) => boolean;
}

/** What the function is proven to compare; `undefined`: it must be called. */
export function fieldTest(f: unknown): FieldTest | undefined {
  const [row, body] = arrowOf(f) ?? [];
  const access = body === undefined ? null : ACCESS.exec(body);
  if (access === null || access[1] !== row) return undefined;
  const compared = COMPARED.exec(body!.slice(access[0].length));
  if (compared === null) return undefined;
  return { field: fieldIn(access), holds: comparison(compared[1]!, Number(compared[2])) };
}

function comparison(operator: string, than: number): (value: number) => boolean {
  switch (operator) {
    case '>':
      return (value) => value > than;
    case '>=':
      return (value) => value >= than;
    case '<':
      return (value) => value < than;
    default:
      return (value) => value <= than;
  }
}

/** Parameter and body of an arrow function of one plain parameter. */
function arrowOf(f: unknown): readonly [row: string, body: string] | undefined {
  if (typeof f !== 'function') return undefined;
  const arrow = ARROW.exec(textOf(f));
  return arrow === null ? undefined : [(arrow[1] ?? arrow[2])!, arrow[3]!];
}

function fieldIn(access: RegExpExecArray): string {
  return (access[2] ?? access[3] ?? access[4])!;
}

/** The one field whose value the function is proven to give; `undefined`: it must be called. */
export function fieldOf(f: unknown): string | undefined {
  const access = fieldAccess(f);
  return access === undefined || access.list ? undefined : access.fields[0];
}
