import { CorruptionError } from '../errors.ts';

export function brokenChain(object: string, n: number): CorruptionError {
  return new CorruptionError(
    object,
    `it does not follow entry ${n - 1}: the store holds entries of two histories. Restore it from one copy, or start with a new store`,
  );
}
