/**
 * How long to wait before a request is sent again: full jitter (Brooker 2015, "Exponential backoff and jitter"), so that
 * those who were turned away together do not come back together.
 */
import type { Random } from './random.ts';

const BACKOFF_MS = 40;
const BACKOFF_MAX_MS = 2_000;

/** Milliseconds to wait after `tries` attempts, from 1. */
export function backoffMs(tries: number, random: Random): number {
  return random.next() * Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** tries);
}
