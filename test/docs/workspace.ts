/**
 * A folder as a reader of the documentation has it after `npm install misa`: Misa is the built package of this repository
 * (`npm test` builds first), and beside it are the repository's examples, which pages refer to.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** Packages that pages import or run, beside Misa. */
const PACKAGES = ['tsx', 'typescript', '@types/node', 'undici-types', 'aws-cdk-lib', 'constructs'];

export class ReaderFolder {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'misa-docs-'));

  constructor() {
    this.write('package.json', '{ "private": true, "type": "module" }\n');
    const bin = path.join(this.directory, 'node_modules/.bin');
    mkdirSync(bin, { recursive: true });
    this.#link('.', 'node_modules/misa');
    for (const name of PACKAGES) this.#link(`node_modules/${name}`, `node_modules/${name}`);
    for (const [name, target] of [
      ['misa', 'dist/cli/main.js'],
      ['tsx', 'node_modules/.bin/tsx'],
    ] as const) {
      symlinkSync(path.join(REPOSITORY, target), path.join(bin, name));
    }
    this.#link('examples', 'examples');
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  write(name: string, text: string): void {
    const file = this.path(name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Types the commands; ends at the first that fails. */
  run(commands: string): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
    const child = spawn('bash', ['-euc', commands], {
      cwd: this.directory,
      env: { ...process.env, NO_COLOR: '1', npm_config_update_notifier: 'false', npm_config_offline: 'true' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const text = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (chunk: string) => {
        text[stream] += chunk;
      });
    }
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...text })));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #link(from: string, to: string): void {
    const at = path.join(this.directory, to);
    mkdirSync(path.dirname(at), { recursive: true });
    symlinkSync(path.join(REPOSITORY, from), at);
  }
}
