/** Order of texts by their UTF-8 bytes, in which S3 lists keys; JavaScript's own order differs beyond U+FFFF. */
export function compareUtf8(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
