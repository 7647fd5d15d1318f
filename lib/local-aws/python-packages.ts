/**
 * Python packages in a folder of their own. They are put together under another name and take their own by one rename, so
 * that a folder of that name is always whole: when several processes install at once, one wins and the others take what it
 * made, and one that was killed leaves nothing that looks finished.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MisaError } from '../errors.ts';

const run = promisify(execFile);
const INSTALLING = /^\.installing-(\d+)-/;
/** Python's path to Misa's own package. It is used where it is, so it is always this Misa's. */
export const PYTHON_PATH = fileURLToPath(new URL('./python', import.meta.url));
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface PythonPackages {
  /** Name of the folder; must change with what is installed. */
  readonly name: string;
  /** Oldest Python that will do: `[3, 11]`. */
  readonly python: readonly [number, number];
  /** What `python -m …` makes of an empty environment, one after the other. */
  readonly steps: readonly (readonly string[])[];
}

export interface InstallOptions {
  /** Told what is being done, in a few words, where it takes a while. */
  readonly onProgress?: ((what: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Installs packages under a folder, if they are not there. Safe in several processes at once. */
export type Install = (
  folder: string,
  onProgress?: InstallOptions['onProgress'],
  signal?: AbortSignal,
) => Promise<void>;

export function installer(packages: PythonPackages): Install {
  return async (folder, onProgress, signal) => {
    await installPython(folder, packages, { onProgress, signal });
  };
}

/** Steps of one `pip install`. */
export function pipInstall(packages: readonly string[]): readonly string[] {
  return ['pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...packages];
}

/** The Python that has these packages, where they were installed in `folder`. */
export function pythonOf(folder: string, { name }: PythonPackages): string {
  return path.resolve(folder, name, 'bin/python');
}

/**
 * Installs the packages, if they are not there. Safe in several processes at once.
 * @returns the Python that has them
 * @throws {MisaError} `NO_PYTHON`, `INSTALL_FAILED`
 */
export async function installPython(
  folder: string,
  packages: PythonPackages,
  { onProgress, signal }: InstallOptions = {},
): Promise<string> {
  const python = pythonOf(folder, packages);
  const home = path.resolve(folder, packages.name);
  if (await exists(home)) return python;
  const base = await findPython(packages.python);
  await mkdir(folder, { recursive: true });
  await removeAbandoned(folder);
  const making = await mkdtemp(path.resolve(folder, `.installing-${process.pid}-`));
  onProgress?.(`installing ${packages.name} in ${folder}`);
  try {
    await run(base, ['-m', 'venv', making], { signal });
    for (const step of packages.steps) {
      await run(path.join(making, 'bin/python'), ['-m', ...step], { signal, maxBuffer: MAX_OUTPUT_BYTES });
    }
    await rename(making, home);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    signal?.throwIfAborted();
    if (await exists(home)) return python; // another process was faster
    throw new MisaError('INSTALL_FAILED', `cannot install ${packages.name} in ${folder}: ${lastLines(error)}`, {
      cause: error,
    });
  }
  return python;
}

/** A Python of that version or a newer one, with venv and pip. */
async function findPython(atLeast: readonly [number, number]): Promise<string> {
  const [major, minor] = atLeast;
  const newer = Array.from({ length: 4 }, (_, i) => `python${major}.${minor + i}`);
  const check = `import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (${major}, ${minor}) else 1)`;
  for (const python of ['python3', ...newer]) {
    const fits = await run(python, ['-c', check]).then(
      () => true,
      () => false,
    );
    if (fits) return python;
  }
  throw new MisaError(
    'NO_PYTHON',
    `there is no Python ${major}.${minor} or newer with venv and pip. Install it (on Debian and Ubuntu: apt-get install python3 python3-venv)`,
  );
}

/** Removes what processes that are gone have left half installed. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = INSTALLING.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function exists(name: string): Promise<boolean> {
  return stat(name).then(
    () => true,
    () => false,
  );
}

/** What a program said last; it says why. */
function lastLines(error: unknown): string {
  const { stderr, message } = error as { stderr?: unknown; message?: unknown };
  const said = typeof stderr === 'string' && stderr.trim() !== '' ? stderr : String(message ?? error);
  return said.trim().split('\n').slice(-5).join('\n');
}
