/** A step of the build: the Python package of the local clouds, which the compiler leaves out, goes where compiled code looks for it. */
import { cpSync, rmSync } from 'node:fs';

const from = new URL('../lib/local-aws/python', import.meta.url);
const to = new URL('../dist/lib/local-aws/python', import.meta.url);

rmSync(to, { recursive: true, force: true });
cpSync(from, to, { recursive: true, filter: (name) => !name.endsWith('__pycache__') });
