/** JSON values as they may come, not as one would write them: any text, any names. */
import fc from 'fast-check';

const NAMES = ['__proto__', 'constructor', 'toString', 'toJSON', '__keys__', '', '0', '\ud800', '\ufeff', '\uffff'];

/** Any string of UTF-16, halves of surrogate pairs among them. */
export const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 90 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map((units) => units.map((u) => String.fromCharCode(u)).join('')),
  fc.constantFrom('\ud83d', '\ude00x', `${'é'.repeat(70)}\udfff`),
);

/** As `JSON.parse` makes it: `__proto__` is a property like any other. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(
      anyText,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie('value'), { maxLength: 6 }),
    fc
      .array(fc.tuple(fc.oneof(anyText, fc.constantFrom(...NAMES, 'a', 'b')), tie('value')), { maxLength: 6 })
      .map((entries): unknown => Object.fromEntries(entries)),
  ),
})).value;

/** As {@link anyJson}, without `-0`, which JSON text of ours writes as 0. */
export const anyJsonText = anyJson.map((value) => JSON.stringify(value));
