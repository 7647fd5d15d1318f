/**
 * Module hooks for a user's job. `misa` always means the copy of Misa that runs the job, installed beside it or not: what
 * builds a job and what runs it must agree. And TypeScript is taken for an ES module, also where no package.json says so.
 *
 * Runs on node's loader thread, started by `load-job.ts`; `initialize` gets the addresses of our own entry points.
 */

interface Resolved {
  readonly url: string;
  readonly format?: string | null;
  readonly shortCircuit?: boolean;
}
type Next = (specifier: string, context: unknown) => Promise<Resolved> | Resolved;

let own: Readonly<Record<string, string>> = {};

export function initialize(data: Readonly<Record<string, string>>): void {
  own = data;
}

export async function resolve(specifier: string, context: unknown, next: Next): Promise<Resolved> {
  if (Object.hasOwn(own, specifier)) return { url: own[specifier]!, format: 'module', shortCircuit: true };
  const resolved = await next(specifier, context);
  const script = /\.tsx?(?:\?|$)/.test(resolved.url) && !resolved.url.includes('/node_modules/');
  return script ? { ...resolved, format: 'module' } : resolved;
}
