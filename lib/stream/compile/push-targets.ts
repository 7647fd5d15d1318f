/** What the compilers of chains and heads ask of the rest of the job. */
import type { KeyNode, StreamNode } from '../graph/graph.ts';
import type { Push } from './physical.ts';

/** What reads a stream: a stateless operator, operators by key, or an output of the job. */
export type Consumer =
  | { readonly kind: 'stream'; readonly stream: StreamNode }
  | { readonly kind: 'key'; readonly keyed: KeyNode }
  | { readonly kind: 'output'; readonly output: number };

/** What the compiler asks of the rest of the job. */
export interface PushTargets {
  consumers(stream: StreamNode): readonly Consumer[];
  /** Edges for rows of this key that come from stage `from`, one for each operator that reads it. */
  edges(keyed: KeyNode, from: number): readonly number[];
  /** The fields that are all that the operators behind this key ask of most rows; `undefined`: they need the rows. */
  asks(keyed: KeyNode): readonly string[] | undefined;
  /** Sends rows from stage `from` to an output. */
  toOutput(output: number, from: number): Push;
  /** Number of the watermark generator of this stream; `undefined`: nothing follows it. */
  generator(stream: StreamNode): number | undefined;
  /** Name for errors. */
  nameOf(node: StreamNode | KeyNode): string;
}
