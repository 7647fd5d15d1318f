/** What a message of the results queue announces: the objects that S3 has created, by the notification it sends to queues. */
import { MisaError } from '../errors.ts';
import { cutText } from '../util/text.ts';

export interface CreatedObject {
  readonly bucket: string;
  readonly key: string;
}

interface S3Record {
  readonly eventName?: string;
  readonly s3?: {
    readonly bucket?: { readonly name?: string };
    readonly object?: { readonly key?: string };
  };
}

/** @throws {MisaError} `BAD_MESSAGE`: no notification of S3 */
export function createdObjects(body: string): CreatedObject[] {
  const event = parse(body);
  // Sent once, when the notification is set up.
  if (event?.Event === 's3:TestEvent') return [];
  const records = event?.Records;
  if (!Array.isArray(records)) throw bad(body);
  return records.flatMap(({ eventName = '', s3 }: S3Record) => {
    if (!/^(s3:)?ObjectCreated:/.test(eventName)) return [];
    const { bucket, object } = s3 ?? {};
    if (bucket?.name === undefined || object?.key === undefined) throw bad(body);
    // S3 encodes keys in notifications as in a form: a plus is a space.
    return [{ bucket: bucket.name, key: decodeURIComponent(object.key.replaceAll('+', ' ')) }];
  });
}

function parse(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // The caller refuses and quotes a body that is not an object.
    return undefined;
  }
}

function bad(body: string): MisaError {
  const what = `this is no notification of S3: ${cutText(body, 200)}`;
  return new MisaError('BAD_MESSAGE', `${what}. Send nothing else to the results queue of a job`);
}
