/** Uses the native packages in ways that break when their code is bundled wrongly; says what came out. */
import { open } from 'lmdb';
import { compressSync, uncompressSync } from 'lz4-napi';
import { isNativeAccelerationEnabled, pack, unpack } from 'msgpackr';

export async function probe(directory: string): Promise<string> {
  const seen: unknown[] = [];
  for (let round = 0; round < 2; round++) {
    const db = open<Buffer, string | number>({ path: directory, encoding: 'binary' });
    await db.transaction(() => {
      for (let i = 0; i < 300; i++) void db.put(`sst-${round}-é/${i}`, Buffer.alloc(100, i));
    });
    db.putSync(-1.5, Buffer.from('number'));
    // The second round reads keys that the first one wrote: their decoder is made of evaluated text.
    seen.push([...db.getRange({ limit: 400 })].map(({ key, value }) => `${key}:${value.length}`).join(), db.get(-1.5));
    await db.close();
  }
  const text = Buffer.from('misa '.repeat(100));
  seen.push(uncompressSync(compressSync(text)).equals(text), unpack(pack({ a: 'é'.repeat(50), b: [1, null] })));
  return JSON.stringify({ accelerated: isNativeAccelerationEnabled, seen });
}
