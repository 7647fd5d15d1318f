/** The user's job module: what bundling puts in place of this name. */
declare module 'misa-job' {
  import type { Job } from 'misa';

  const job: Job<unknown>;
  export default job;
}
