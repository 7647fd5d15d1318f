/** Lines at the end of a terminal that a timer redraws in place, so that a busy run is shown late, but correctly. Gone when stopped. */
import { MultiBar, Presets } from 'cli-progress';

const REDRAWS_A_SECOND = 12;

/** @param hideCursor while the lines are there; an interrupt that ends the process would leave it hidden */
export function redrawnLines(stream: NodeJS.WriteStream, hideCursor: boolean): MultiBar {
  return new MultiBar(
    {
      stream,
      fps: REDRAWS_A_SECOND,
      hideCursor,
      clearOnComplete: true,
      linewrap: false,
      autopadding: false,
      gracefulExit: false,
      format: '{line}',
    },
    Presets.shades_classic,
  );
}
