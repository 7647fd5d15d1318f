/**
 * Query 12, processing time windows: how often somebody bid in 10 seconds by the clock. The clock is that of the plan, which all bids of a micro-batch share: a
 * batch that runs again counts them into the same window.
 */
import { job } from 'misa';
import { bids } from './model.ts';

const WINDOW_MS = 10_000;

interface BidsInWindow {
  bidder: number;
  bidCount: number;
  startTime: number;
  endTime: number;
}

export default job(
  'q12',
  bids
    .keyBy((bid) => bid.bidder)
    .process<BidsInWindow, BidsInWindow>({
      init: (bidder) => ({ bidder, bidCount: 0, startTime: 0, endTime: 0 }),
      onRow(_, ctx) {
        const { state, processingTime, timers } = ctx;
        // The window before ended while nobody looked: its timer is due after the rows of this batch.
        if (state.bidCount > 0 && state.endTime <= processingTime) {
          ctx.emit({ ...state });
          timers.delete(state.endTime, 'processing');
          state.bidCount = 0;
        }
        if (state.bidCount === 0) {
          state.startTime = processingTime - (processingTime % WINDOW_MS);
          state.endTime = state.startTime + WINDOW_MS;
          timers.set(state.endTime, 'processing');
        }
        state.bidCount++;
      },
      onTimer(_, ctx) {
        ctx.emit({ ...ctx.state });
        ctx.clear();
      },
    }),
);
