/** @file `reverie worker`. */

import { openHub } from "../experiment/machines/open-hub.ts";
import { joinHub } from "../experiment/machines/worker.ts";

/** Options as the command line gives them. */
export interface WorkerFlags {
  readonly idleSeconds?: number;
  readonly folder?: string;
  readonly snapshotSeconds?: number;
}

/** Work at the server until stopped. @throws SERVER_UNREACHABLE, UNAUTHORIZED, VERSION_MISMATCH, INVALID_ARGUMENT */
export async function worker(url: string, flags: WorkerFlags): Promise<void> {
  const hub = await openHub(url);
  try {
    await joinHub(hub, flags);
  } finally {
    await hub.close();
  }
}
