/** A function of a job; what it takes and gives is checked by the compiler where the job is written. */
export type UserFunction = (...args: never[]) => unknown;
