/** ministack for the tests: `MISA_TEST_S3_ENDPOINT`. It takes a third of a second to start, so it is always there. */
import { installMinistack, startMinistack } from '../../lib/local-aws/ministack.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { provide } from './service.ts';

export default function setup(): Promise<(() => Promise<void>) | undefined> {
  return provide({
    name: 'ministack',
    variable: 'MISA_TEST_S3_ENDPOINT',
    async start(folder) {
      await installMinistack(folder, (what) => console.log(`${what}, once`));
      return startMinistack({ folder, clock: systemClock });
    },
  });
}
