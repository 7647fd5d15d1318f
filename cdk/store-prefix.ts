/** Prefix of all jobs' state in a bucket. */
export const STORE_PREFIX = 'misa';
