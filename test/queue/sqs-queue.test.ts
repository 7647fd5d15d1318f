/** SQS's contract, against the services that run here. */
import type * as SQS from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { SqsQueues } from '../../lib/queue/sqs-queue.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { type LocalService, services } from '../setup/services.ts';
import { type MadeQueue, type QueueMaker, type QueueShape, queueContract } from './contract.ts';

async function openMaker({ endpoint }: LocalService): Promise<QueueMaker> {
  const sdk = await import('@aws-sdk/client-sqs');
  const client = new sdk.SQSClient({ endpoint: endpoint!, region: 'us-east-1' });
  const queues = await SqsQueues.open({ clock: systemClock, random: systemRandom, endpoint });
  const urls: string[] = [];
  const create = async (fifo: boolean, attributes: Record<string, string>): Promise<string> => {
    const { QueueUrl } = await client.send(
      new sdk.CreateQueueCommand({
        QueueName: `misa-${systemRandom.id()}${fifo ? '.fifo' : ''}`,
        Attributes: { MaximumMessageSize: String(1 << 20), ...(fifo ? { FifoQueue: 'true' } : {}), ...attributes },
      }),
    );
    urls.push(QueueUrl!);
    return QueueUrl!;
  };
  const make = async ({ fifo = false, visibilitySeconds = 30, maxReceives }: QueueShape = {}): Promise<MadeQueue> => {
    const attributes: Record<string, string> = { VisibilityTimeout: String(visibilitySeconds) };
    if (maxReceives === undefined) return { queue: queues.queue(await create(fifo, attributes)) };
    const deadLetters = await create(fifo, {});
    const wanted: SQS.QueueAttributeName[] = ['QueueArn'];
    const found = await client.send(
      new sdk.GetQueueAttributesCommand({ QueueUrl: deadLetters, AttributeNames: wanted }),
    );
    attributes.RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: found.Attributes!.QueueArn,
      maxReceiveCount: maxReceives,
    });
    return { queue: queues.queue(await create(fifo, attributes)), deadLetters: queues.queue(deadLetters) };
  };
  const close = async (): Promise<void> => {
    await Promise.all(urls.map((QueueUrl) => client.send(new sdk.DeleteQueueCommand({ QueueUrl }))));
    queues.close();
    client.destroy();
  };
  return { make, close };
}

for (const service of services) {
  describe.skipIf(service.endpoint === undefined)(`SQS (${service.name})`, () => {
    queueContract(service.name, () => openMaker(service));

    it('names a queue that is not there', async () => {
      const queues = await SqsQueues.open({ clock: systemClock, random: systemRandom, endpoint: service.endpoint });
      const queue = queues.queue(`${service.endpoint}/000000000000/misa-none-${systemRandom.id()}`);
      const acts = [
        () => queue.send([{ body: 'x' }]),
        () => queue.receive({ max: 1, waitSeconds: 0 }),
        () => queue.depth(),
      ];
      for (const act of acts) await expect(act()).rejects.toMatchObject({ code: 'NO_QUEUE', retryable: false });
      await expect(queue.depth()).rejects.toThrow(/misa-none-.*deploy the job/);
    });

    it('goes where the endpoint says, whatever host the URL of the queue names, and counts its requests', async () => {
      const sdk = await import('@aws-sdk/client-sqs');
      const client = new sdk.SQSClient({ endpoint: service.endpoint!, region: 'us-east-1' });
      const QueueName = `misa-${systemRandom.id()}`;
      const { QueueUrl } = await client.send(new sdk.CreateQueueCommand({ QueueName }));
      const requests: string[] = [];
      const onRequest = (operation: string): void => void requests.push(operation);
      const options = { clock: systemClock, random: systemRandom, endpoint: service.endpoint, onRequest };
      const queue = (await SqsQueues.open(options)).queue(`http://no-such-host.invalid${new URL(QueueUrl!).pathname}`);
      await queue.send(Array.from({ length: 11 }, (_, i) => ({ body: `${i}` })));
      expect(await queue.depth()).toMatchObject({ visible: 11 });
      expect(requests).toEqual(['SendMessageBatch', 'SendMessageBatch', 'GetQueueAttributes']);
      await client.send(new sdk.DeleteQueueCommand({ QueueUrl }));
    });
  });
}
