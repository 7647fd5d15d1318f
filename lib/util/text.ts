/** Text as it is shown to people, in messages and tables. */

/**
 * The first `length` characters (UTF-16 code units), one fewer where the cut would go through a surrogate pair: half a pair
 * is no text to most programs, and they refuse the whole file that holds it.
 * @param end stands where something was left out, beyond `length`
 */
export function cutText(text: string, length: number, end = ''): string {
  if (text.length <= length) return text;
  const code = text.charCodeAt(length - 1);
  const splits = code >= 0xd800 && code <= 0xdbff && isLowSurrogate(text.charCodeAt(length));
  return text.slice(0, splits ? length - 1 : length) + end;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
