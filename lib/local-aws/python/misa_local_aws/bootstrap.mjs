/**
 * One execution environment in LocalStack: loads the handler, says that it is ready, and runs one invocation at a time. It may
 * be frozen at any moment after it has given the answer, for as long as it pleases its starter, so no connection is kept.
 */
import { existsSync } from 'node:fs';
import { Agent, createServer, request as httpRequest } from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const env = process.env;
const base = env.LOCALSTACK_RUNTIME_ENDPOINT;
const limitMs = Number(env.AWS_LAMBDA_FUNCTION_TIMEOUT) * 1000;
const agent = new Agent({ keepAlive: false });

function post(to, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    httpRequest(`${base}/${to}`, { method: 'POST', agent, headers }, (response) => {
      response.on('end', resolve).on('error', reject).resume();
    })
      .on('error', reject)
      .end(body);
  });
}

const described = (error) =>
  JSON.stringify({
    errorType: error?.name ?? 'Error',
    errorMessage: error?.message ?? String(error),
    trace: String(error?.stack ?? '').split('\n'),
  });

async function load() {
  const at = env._HANDLER.lastIndexOf('.');
  const stem = path.join(env.LAMBDA_TASK_ROOT, env._HANDLER.slice(0, at));
  const file = ['.mjs', '.js', '.cjs'].map((ending) => stem + ending).find(existsSync);
  if (file === undefined) {
    throw Object.assign(new Error(`Cannot find module '${stem}'`), { name: 'Runtime.ImportModuleError' });
  }
  const module = await import(pathToFileURL(file).href);
  const name = env._HANDLER.slice(at + 1);
  const handler = module[name] ?? module.default?.[name];
  if (typeof handler !== 'function') {
    throw Object.assign(new Error(`${env._HANDLER} is undefined or not exported`), { name: 'Runtime.HandlerNotFound' });
  }
  return handler;
}

function contextOf(invocation) {
  const deadline = Date.now() + limitMs;
  return {
    awsRequestId: invocation['invoke-id'],
    invokedFunctionArn: invocation['invoked-function-arn'],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

function call(handler, event, context) {
  if (handler.length < 3) return handler(event, context);
  return new Promise((resolve, reject) => {
    handler(event, context, (error, value) => (error ? reject(error) : resolve(value)));
  });
}

async function run(handler, invocation) {
  const answerTo = `invocations/${invocation['invoke-id']}`;
  env._X_AMZN_TRACE_ID = invocation['trace-id'];
  let answer;
  try {
    const result = await call(handler, JSON.parse(invocation.payload || '{}'), contextOf(invocation));
    answer = [`${answerTo}/response`, JSON.stringify(result) ?? 'null'];
  } catch (error) {
    console.error(`ERROR\tInvoke Error\t${described(error)}`);
    answer = [`${answerTo}/error`, described(error)];
  }
  await post(...answer);
}

process.stdin.on('end', () => process.exit()).resume(); // LocalStack is gone
let handler;
try {
  handler = await load();
} catch (error) {
  console.error(error);
  await post(`status/${env.LOCALSTACK_RUNTIME_ID}/error`, described(error));
  process.exit(1);
}
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  response.writeHead(202, { connection: 'close' }).end();
  await run(handler, JSON.parse(Buffer.concat(chunks)));
});
server.listen(0, '127.0.0.1', () =>
  post(`status/${env.LOCALSTACK_RUNTIME_ID}/ready`, JSON.stringify({ port: server.address().port })),
);
