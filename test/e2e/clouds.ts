/**
 * Which clouds the end-to-end test runs on: the endpoint of `MISA_TEST_DEPLOY_ENDPOINT`, else those of `MISA_TEST_CLOUDS`
 * (`ministack,localstack`), else those that every run of the tests has. What cannot be installed was reported when the tests
 * were set up (in CI that is a failure); a cloud that is asked for by its name fails without it.
 */
import { LOCAL_CLOUDS, type LocalCloudName } from '../../lib/local-aws/local-clouds.ts';

export interface TestCloud {
  readonly title: string;
  readonly cloud: LocalCloudName | URL;
}

export function clouds(): readonly TestCloud[] {
  const { MISA_TEST_DEPLOY_ENDPOINT: endpoint, MISA_TEST_CLOUDS: named, MISA_TEST_S3_ENDPOINT: usual } = process.env;
  if (endpoint !== undefined) return [{ title: endpoint, cloud: new URL(endpoint) }];
  const names = named?.split(',') ?? (usual === undefined ? [] : ['ministack']);
  return names.map((name) => {
    const cloud = LOCAL_CLOUDS[name as LocalCloudName];
    if (cloud === undefined) throw new Error(`MISA_TEST_CLOUDS names ${name}, which is no local cloud`);
    return { title: cloud.title, cloud: cloud.name };
  });
}
