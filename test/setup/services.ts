/**
 * The local AWS services that contract suites run against, each suite against each. Nothing of a test may last in them: names
 * of buckets and queues are random.
 */
export interface LocalService {
  readonly name: string;
  /** `undefined`: it is not there, and its tests are skipped. */
  readonly endpoint: string | undefined;
}

export const services: readonly LocalService[] = [
  { name: 'ministack', endpoint: process.env.MISA_TEST_S3_ENDPOINT },
  { name: 'LocalStack', endpoint: process.env.MISA_TEST_LOCALSTACK_ENDPOINT },
];

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
process.env.AWS_REGION ??= 'us-east-1';
