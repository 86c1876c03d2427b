/** @file Latest frame wins: a viewer on a slow link gets the newest picture when it is ready for one, never a queue of old ones. */

/** Sends to one viewer. */
export interface LatestSender {
  /** Offer the newest frame; one that was still waiting is dropped. */
  offer(frame: Uint8Array): void;
  /** The viewer has shown a frame. */
  acknowledge(): void;
  /** Frames that were replaced before they could be sent. */
  readonly dropped: number;
}

/** Frames on their way at once: one being shown while the next travels. */
const inFlight = 2;

/** @param send puts a frame on the wire */
export function makeLatestSender(send: (frame: Uint8Array) => void): LatestSender {
  let [travelling, dropped] = [0, 0];
  let waiting: Uint8Array | undefined;
  const flush = (): void => {
    if (waiting === undefined || travelling >= inFlight) return;
    travelling += 1;
    send(waiting);
    waiting = undefined;
  };
  return {
    offer(frame) {
      if (waiting !== undefined) dropped += 1;
      waiting = frame;
      flush();
    },
    acknowledge() {
      travelling = Math.max(0, travelling - 1);
      flush();
    },
    get dropped() {
      return dropped;
    },
  };
}
