import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bundle, bundleJob, HANDLER_MODULES } from '../../cdk/bundle.ts';
import type { Platform } from '../../cdk/native-addons.ts';
import { readTarGz } from '../../cdk/tar.ts';
import { DEPARTURES } from './make-stack.ts';

const HERE = { os: process.platform, arch: process.arch } as Platform;
const folder = mkdtempSync(path.join(os.tmpdir(), 'misa-bundle-test-'));
const outdir = path.join(folder, 'bundle');
let bundle: Bundle;

beforeAll(() => {
  bundle = bundleJob({ entry: DEPARTURES, outdir, platforms: [HERE] });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a program prints that runs with a module of a bundle as `m`, far from any node_modules. */
function run(module: string, program: string): string {
  const text = `import(${JSON.stringify(pathToFileURL(module).href)}).then(async (m) => { ${program} })`;
  return execFileSync(process.execPath, ['-e', text], { cwd: folder, encoding: 'utf8' }).trim();
}

/** Name, mode and content of every file. */
function hashOf(root: string): string {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  const hash = createHash('sha256');
  for (const file of files.filter((name) => statSync(path.join(root, name)).isFile())) {
    hash.update(`${file} ${statSync(path.join(root, file)).mode} `).update(readFileSync(path.join(root, file)));
  }
  return hash.digest('hex');
}

describe('the bundle', () => {
  test.each([
    ['batch', 'batch,ingest'],
    ['commit', 'admit,compact,fold,maintain'],
    ['preload', 'preload'],
    ['sink', 'sink'],
    ['empty', 'empty'],
  ])('%s.mjs loads without any package around it', (name, handlers) => {
    const program = `console.log(Object.keys(m).filter((k) => typeof m[k] === 'function').sort().join())`;
    expect(run(path.join(outdir, `${name}.mjs`), program)).toBe(handlers);
  });

  test('is small: a function reads under a mebibyte of code to start', () => {
    expect(Object.keys(bundle.codeBytes).sort()).toEqual([...HANDLER_MODULES].sort());
    for (const bytes of Object.values(bundle.codeBytes)) expect(bytes).toBeLessThan(1 << 20);
    expect(bundle.bytes).toBeLessThan(8 << 20);
    expect(existsSync(path.join(outdir, 'batch.mjs.map'))).toBe(false);
  });

  test('is the same from the same inputs, wherever it is put', () => {
    const again = path.join(folder, 'some', 'where', 'else');
    bundleJob({ entry: DEPARTURES, outdir: again, platforms: [HERE] });
    expect(hashOf(again)).toBe(hashOf(outdir));
  });

  test('keeps the names of the user’s functions', () => {
    const code = readdirSync(outdir, { encoding: 'utf8' }).filter((name) => name.endsWith('.mjs'));
    expect(code.some((name) => readFileSync(path.join(outdir, name), 'utf8').includes('dep_delay'))).toBe(true);
  });

  test('keeps only the handlers that are asked for', () => {
    const small = path.join(folder, 'small');
    bundleJob({ entry: DEPARTURES, outdir: small, platforms: [HERE], handlers: ['preload'] });
    expect(readdirSync(small).filter((name) => /^(batch|commit|preload|sink|empty)\.mjs$/.test(name))).toEqual([
      'preload.mjs',
    ]);
  });
});

describe('native packages in a bundle', () => {
  test('LMDB, lz4 and the decoder of msgpackr do the same as outside of it', () => {
    const probe = path.resolve('test/cdk/native-probe.ts');
    const small = path.join(folder, 'probe');
    bundleJob({ entry: DEPARTURES, outdir: small, platforms: [HERE], handlers: ['batch'], modules: { batch: probe } });
    const program = 'console.log(await m.probe(process.cwd() + "/cache"))';
    const bundled = run(path.join(small, 'batch.mjs'), program);
    const text = `import(${JSON.stringify(pathToFileURL(probe).href)}).then(async (m) => { console.log(await m.probe(${JSON.stringify(path.join(folder, 'other'))})) })`;
    const args = ['--conditions=misa-source', '--import', 'tsx', '--input-type=module', '-e', text];
    expect(bundled).toBe(execFileSync(process.execPath, args, { encoding: 'utf8' }).trim());
    expect(bundled).toContain('"accelerated":true');
  });

  test('of another platform that cannot be fetched are told of, with what to do', () => {
    const other: Platform = { os: 'linux', arch: HERE.arch === 'arm64' ? 'x64' : 'arm64' };
    const env = { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME, npm_config_offline: process.env.npm_config_offline };
    const npmCache = process.env.npm_config_cache;
    process.env.XDG_CACHE_HOME = path.join(folder, 'cache');
    process.env.npm_config_offline = 'true';
    process.env.npm_config_cache = path.join(folder, 'npm');
    try {
      expect(() => bundleJob({ entry: DEPARTURES, outdir: path.join(folder, 'far'), platforms: [other] })).toThrow(
        /is not installed here and cannot be fetched: .*deploy once with access to the npm registry.*or choose this machine's architecture/,
      );
    } finally {
      restore('XDG_CACHE_HOME', env.XDG_CACHE_HOME);
      restore('npm_config_offline', env.npm_config_offline);
      restore('npm_config_cache', npmCache);
    }
  });

  test('are read from archives as npm packs them', () => {
    const inside = path.join(folder, 'package');
    cpSync(DEPARTURES, path.join(inside, 'deep', 'job.ts'));
    const archive = path.join(folder, 'package.tgz');
    execFileSync('tar', ['-czf', archive, '-C', folder, 'package']);
    const files = readTarGz(readFileSync(archive));
    expect(Buffer.from(files.get('package/deep/job.ts')!)).toEqual(readFileSync(DEPARTURES));
    expect([...files.keys()]).toEqual(['package/deep/job.ts']);
  });
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
