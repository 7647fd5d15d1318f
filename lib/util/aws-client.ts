/**
 * What the clients of all AWS services have in common: where they send to, how long they wait, and how requests are
 * counted. Retries are not among it: a caller knows what it may send again, a client does not. The clients themselves are
 * loaded only where they are used.
 */

const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 20_000;
const MAX_SOCKETS = 256;

export interface AwsClientOptions {
  /** URL of a service other than AWS. Default: `AWS_ENDPOINT_URL_S3` (or `_SQS` …), then `AWS_ENDPOINT_URL`. */
  readonly endpoint?: string | undefined;
  /** Told each request that goes out, retries too, by its name: `GetObject`, `SendMessageBatch`. */
  readonly onRequest?: ((operation: string) => void) | undefined;
}

interface AgentSettings {
  readonly maxSockets: number;
  readonly keepAlive: boolean;
}

/** Settings of any client. */
export interface AwsClientSettings {
  readonly maxAttempts: 1;
  readonly requestHandler: {
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly throwOnRequestTimeout: true;
    readonly socketTimeout: number;
    readonly httpAgent: AgentSettings;
    readonly httpsAgent: AgentSettings;
  };
  readonly endpoint?: string;
  readonly region?: string;
}

/**
 * @param service as in the name of its variable: `S3`, `SQS`
 * @param requestTimeoutMs until the answer begins, and while nothing comes
 */
export function awsClientSettings(
  service: string,
  options: AwsClientOptions,
  requestTimeoutMs = REQUEST_TIMEOUT_MS,
): AwsClientSettings {
  const { env } = process;
  // It would print a page about Node 20 on every start.
  env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const endpoint = options.endpoint ?? (env[`AWS_ENDPOINT_URL_${service}`] || env.AWS_ENDPOINT_URL || undefined);
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? (endpoint === undefined ? undefined : 'us-east-1');
  return {
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: requestTimeoutMs,
      httpAgent: { maxSockets: MAX_SOCKETS, keepAlive: true },
      httpsAgent: { maxSockets: MAX_SOCKETS, keepAlive: true },
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  };
}

/** A request's name, from what a client's middleware is told of it. */
export function operationOf(context: { readonly commandName?: string | undefined }): string {
  return (context.commandName ?? 'unknown').replace(/Command$/, '');
}
