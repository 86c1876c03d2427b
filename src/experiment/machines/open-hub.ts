/** @file A hub by its URL; the server's client is loaded when one is asked for. */

import type { Hub } from "./hub.ts";

/** What `body` does at the hub of these options: one that was handed over stays open, one by its URL is closed. @throws as `openHub` */
export async function withHub<T>(workers: string | Hub, body: (hub: Hub) => Promise<T>): Promise<T> {
  if (typeof workers !== "string") return body(workers);
  const hub = await openHub(workers);
  try {
    return await body(hub);
  } finally {
    await hub.close();
  }
}

/** @param url `nats://[TOKEN@]host:4222` or `tls://…` @throws INVALID_ARGUMENT, UNAUTHORIZED, SERVER_UNREACHABLE, NOT_SUPPORTED */
export async function openHub(url: string): Promise<Hub> {
  return (await import("./nats-hub.ts")).openNatsHub(url);
}
