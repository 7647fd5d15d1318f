/**
 * The canonical text of a key, for services whose keys are text: one key has one text, and two keys never share one. Text
 * stands as it is, because that is what people look up. All else is `=` and its JSON (`=42`, `=null`, `=["AA",1]`), and so
 * is the text that could be taken for it or that UTF-8 cannot hold: empty, beginning with `=`, with a lone surrogate.
 */

const LONE_SURROGATE = /\p{Surrogate}/u;

/** @returns `undefined`: no key, but an object, or nothing at all */
export function keyText(key: unknown): string | undefined {
  if (key === undefined || (typeof key === 'object' && key !== null && !Array.isArray(key))) return undefined;
  if (typeof key === 'string' && key !== '' && !key.startsWith('=') && !LONE_SURROGATE.test(key)) return key;
  return `=${JSON.stringify(key)}`;
}

/** The text with lone surrogates, which UTF-8 cannot hold, replaced by U+FFFD. */
export function wellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(/\p{Surrogate}/gu, '\ufffd') : text;
}
