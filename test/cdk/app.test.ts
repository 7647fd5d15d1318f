import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import { afterAll, describe, expect, test } from 'vitest';
import { propsFrom } from '../../cdk/app.ts';
import { stackName } from '../../cdk/stack-name.ts';
import { DEPARTURES } from './make-stack.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'misa-app-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the app as the CDK does, in a process without a network. */
function synthesize(
  entry: string | undefined,
  env: NodeJS.ProcessEnv = {},
): { status: number | null; stderr: string; out: string } {
  const out = path.join(folder, `out-${readdirSync(folder).length}`);
  const guard = path.resolve('test/cdk/no-network.ts');
  const args = [
    '--conditions=misa-source',
    '--import',
    'tsx',
    '--import',
    guard,
    path.resolve('cdk/app.ts'),
    ...(entry === undefined ? [] : [entry]),
  ];
  const { AWS_ENDPOINT_URL: _, CDK_VALIDATION: __, ...base } = process.env;
  const { status, stderr } = spawnSync(process.execPath, args, {
    env: { ...base, CDK_OUTDIR: out, CDK_DISABLE_STACK_TRACE: '1', ...env },
    encoding: 'utf8',
  });
  return { status, stderr, out };
}

describe('the app', () => {
  test('is synthesized without a network, and the CDK finds no fault with its template', () => {
    const { status, stderr, out } = synthesize(DEPARTURES);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringContaining('network') });
    const template = JSON.parse(readFileSync(path.join(out, 'Misa-departures.template.json'), 'utf8'));
    expect(template.Outputs.JobName.Value).toBe('departures');
    const report = JSON.parse(readFileSync(path.join(out, 'validation-report.json'), 'utf8'));
    expect(report.pluginReports).toEqual([]);
    const asset = readdirSync(out).find((name) => name.startsWith('asset.'))!;
    expect(readdirSync(path.join(out, asset))).toEqual(expect.arrayContaining(['batch.mjs', 'commit.mjs', 'native']));
  });

  test('takes the job from the context, as `cdk synth -c misa:entry=job.ts` gives it', () => {
    const { status, out } = synthesize(undefined, {
      CDK_CONTEXT_JSON: JSON.stringify({ 'misa:entry': DEPARTURES }),
    });
    expect(status).toBe(0);
    const { artifacts } = JSON.parse(readFileSync(path.join(out, 'manifest.json'), 'utf8'));
    expect(Object.keys(artifacts)).toContain('Misa-departures');
  });

  test('says what is wrong with a job in one line, and leaves nothing to deploy', () => {
    const entry = path.join(folder, 'wrong.ts');
    writeFileSync(entry, 'export const nothing = 1;');
    const { status, stderr, out } = synthesize(entry);
    expect(status).toBe(1);
    expect(stderr.trim()).toBe(
      "misa: wrong.ts has no default export (it exports nothing). Write: export default job('name', …)",
    );
    expect(existsSync(out)).toBe(false);
  });

  test('says which setting is wrong', () => {
    const { status, stderr } = synthesize(DEPARTURES, { MISA_MEMORY: 'much' });
    expect(status).toBe(1);
    expect(stderr.trim()).toBe("misa: MISA_MEMORY must be a whole number above 0, not 'much'");
  });
});

describe('settings from the environment', () => {
  test('become props', () => {
    const env = {
      MISA_ENTRY: 'other.ts',
      MISA_PARTITIONS: '8',
      MISA_MEMORY: '3008',
      MISA_TRACE: '1',
      MISA_ARCHITECTURE: 'arm64',
      MISA_REMOVAL: 'destroy',
    };
    expect(propsFrom(undefined, env)).toEqual({
      entry: 'other.ts',
      partitions: 8,
      memorySize: 3008,
      trace: true,
      architecture: Architecture.ARM_64,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    expect(propsFrom('job.ts', { MISA_ENTRY: 'other.ts', MISA_PARTITIONS: '' })).toEqual({ entry: 'job.ts' });
  });

  test('that are none are refused', () => {
    expect(() => propsFrom(undefined, {})).toThrow('name the job module');
    expect(propsFrom('job.ts', { AWS_ENDPOINT_URL: 'http://localhost:4566' })).toEqual({
      entry: 'job.ts',
      alarms: { lateShare: false },
    });
    expect(() => propsFrom('job.ts', { MISA_REMOVAL: 'delete' })).toThrow("one of destroy, retain, not 'delete'");
    expect(() => propsFrom('job.ts', { MISA_PARTITIONS: '1.5' })).toThrow('whole number');
  });
});

test('a stack is named for its job, in the letters that stacks may have', () => {
  expect(stackName('departures')).toBe('Misa-departures');
  expect(stackName('two.stages_v2')).toBe('Misa-two-stages-v2');
  expect(stackName('x'.repeat(200))).toHaveLength(128);
});
