/** Stands for operators that the interface has and no file here runs yet: `job()` refuses it. */
import { JobError } from '../../errors.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';

/** @param what as the user wrote it, such as `join()` */
export function unbuilt(what: string, eventTime: OperatorDefinition['eventTime'] = 'kept'): OperatorDefinition {
  const refuse = (): never => {
    throw notBuilt(what);
  };
  return { kind: 'unbuilt', eventTime, check: refuse, layout: refuse, make: refuse };
}

export function notBuilt(what: string): JobError {
  return new JobError('NOT_BUILT_YET', `${what} is not built yet in this version of Misa`);
}
