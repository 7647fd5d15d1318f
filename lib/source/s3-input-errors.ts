/** What S3's answers mean for an input, and what whoever runs the job can do about them. */
import { errorText, InputError } from '../errors.ts';
import { failureOf, type S3Failure } from '../object-store/s3-errors.ts';

/** `again`: the request may be sent again, as reading changes nothing. */
export type InputAnswer = 'again' | 'absent' | 'changed' | 'no bucket' | 'denied' | 'archived' | 'refused';

/** How an object's version came to be known. */
export type Seen = 'announced' | 'listed';

export function answersOf({ kind, code, status }: S3Failure): InputAnswer {
  if (kind === 'again' || kind === 'unknown') return 'again';
  if (kind === 'absent') return 'absent';
  if (code === 'NoSuchBucket') return 'no bucket';
  // 416: the object is shorter than the version that was announced, told by a service that looks at the range first.
  if (kind === 'lost' || status === 416) return 'changed';
  if (code === 'InvalidObjectState') return 'archived';
  return status === 403 || status === 401 ? 'denied' : 'refused';
}

export function inputErrorOf(
  error: unknown,
  answer: InputAnswer,
  path: string,
  { bucket, key, seen = 'announced' }: { bucket: string; key: string; seen?: Seen | undefined },
): InputError {
  const refuse = (code: string, what: string, retryable = false): InputError =>
    new InputError(code, what, path, { cause: error, retryable });
  const cannot = `Cannot read ${path}`;
  switch (answer) {
    case 'absent':
      return refuse(
        'INPUT_MISSING',
        `There is no object ${path}: it was deleted after it was ${seen}, or never written. ${seen === 'listed' ? 'Put it back as it was.' : 'Write it again under a new key.'}`,
      );
    case 'no bucket':
      return refuse('INPUT_MISSING', `There is no bucket ${bucket}: correct its name, or the region (AWS_REGION).`);
    case 'changed':
      return overwritten(path, 'S3 has another version', seen, error);
    case 'denied':
      return refuse(
        'INPUT_UNREADABLE',
        `${cannot}: access is denied (${errorText(error)}). Allow this role s3:GetObject on arn:aws:s3:::${bucket}/${folderOf(key)}*, and kms:Decrypt where a key of KMS encrypts it. S3 also says this of an object that is not there, to a role without s3:ListBucket.`,
      );
    case 'archived':
      return refuse(
        'INPUT_UNREADABLE',
        `${cannot}: it is archived. Restore it, or copy it to a storage class that S3 reads at once.`,
      );
    case 'again':
      return refuse(
        'INPUT_UNREADABLE',
        `${cannot}: S3 did not answer, or broke off, several times (${errorText(error)}). Try again later.`,
        true,
      );
    case 'refused':
      return refuse(
        'INPUT_UNREADABLE',
        `${cannot}: ${errorText(error)}. Check credentials, AWS_REGION and, if one is set, AWS_ENDPOINT_URL.`,
      );
  }
}

/** Objects could not be listed. */
export function listErrorOf(error: unknown, url: string, bucket: string): InputError {
  const answer = answersOf(failureOf(error));
  const refuse = (code: string, what: string): InputError =>
    new InputError(code, what, url, { cause: error, retryable: answer === 'again' });
  const cannot = `Cannot list ${url}`;
  if (answer === 'no bucket' || answer === 'absent') {
    return refuse('INPUT_MISSING', `There is no bucket ${bucket}: correct its name, or the region (AWS_REGION).`);
  }
  if (answer === 'denied') {
    const advice = `Allow this role s3:ListBucket on arn:aws:s3:::${bucket}, and s3:GetObject on arn:aws:s3:::${bucket}/*.`;
    return refuse('INPUT_UNREADABLE', `${cannot}: access is denied (${errorText(error)}). ${advice}`);
  }
  const advice =
    answer === 'again'
      ? 'It was asked several times; look to the network and the endpoint, or try again later.'
      : 'Check credentials, AWS_REGION and, if one is set, the endpoint.';
  return refuse('INPUT_UNREADABLE', `${cannot}: ${errorText(error)}. ${advice}`);
}

/** The version that was announced, or listed, is gone. */
export function overwritten(path: string, what: string, seen: Seen = 'announced', cause?: unknown): InputError {
  return new InputError(
    'INPUT_CHANGED',
    `${path} was overwritten since it was ${seen}: ${what}. Input objects must stay as they are: bring new rows under new keys.`,
    path,
    { cause },
  );
}

function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}
