/** Hints of one invocation by partition: one fold each, and a partition that fails fails its own messages alone. */
import type { SQSRecord } from 'aws-lambda';
import type { CommitFunction } from './commit-function.ts';
import { decodeMessage, type FoldHint } from './messages.ts';

export async function foldRecords(
  state: Pick<CommitFunction, 'fold'>,
  records: readonly SQSRecord[],
): Promise<Map<string, unknown>> {
  const failed = new Map<string, unknown>();
  const byPath = new Map<string, { readonly ids: string[]; readonly hints: FoldHint[] }>();
  for (const { messageId, body } of records) {
    try {
      const hint = decodeMessage(body, 'fold');
      const group = byPath.get(hint.path) ?? { ids: [], hints: [] };
      group.ids.push(messageId);
      group.hints.push(hint);
      byPath.set(hint.path, group);
    } catch (error) {
      failed.set(messageId, error);
    }
  }
  await Promise.all(
    [...byPath.values()].map(async ({ ids, hints }) => {
      try {
        await state.fold(hints);
      } catch (error) {
        for (const id of ids) failed.set(id, error);
      }
    }),
  );
  return failed;
}
