import { describe, expect, it } from 'vitest';
import { decodeNdjson, encodeNdjson } from '../../lib/util/ndjson.ts';

const text = (rows: readonly unknown[]): string => Buffer.from(encodeNdjson(rows)).toString('utf8');

describe('NDJSON results', () => {
  it('writes one line a row, and nothing for no rows', () => {
    expect(text([{ a: 1, b: 'x\ny' }, { a: null }])).toBe('{"a":1,"b":"x\\ny"}\n{"a":null}\n');
    expect(encodeNdjson([]).length).toBe(0);
  });

  it('writes dates as ISO 8601, bigints as text, bytes as base64, at any depth', () => {
    const row = { d: new Date(0), big: 2n ** 70n, deep: [{ bytes: new Uint8Array([1, 2]), d: new Date(1) }] };
    expect(text([row])).toBe(
      '{"d":"1970-01-01T00:00:00.000Z","big":"1180591620717411303424","deep":[{"bytes":"AQI=","d":"1970-01-01T00:00:00.001Z"}]}\n',
    );
    expect(text([3n, new Date(0), new Uint8Array([255]), Buffer.from([255]), undefined, 'x', [1n]])).toBe(
      '"3"\n"1970-01-01T00:00:00.000Z"\n"/w=="\n"/w=="\nnull\n"x"\n["1"]\n',
    );
  });

  it('reads what it wrote', () => {
    const rows = [{ a: 1 }, [1, 'ü'], null, 'text', 0.5];
    expect(decodeNdjson(encodeNdjson(rows))).toEqual(rows);
  });
});
