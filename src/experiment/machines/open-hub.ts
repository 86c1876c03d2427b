/** @file A hub by its URL; the server's client is loaded when one is asked for. */

import type { Hub } from "./hub.ts";
import type { Identity } from "./identity.ts";

/** How work is shared with other machines. */
export interface SharedWork {
  /** A server's URL, or a hub. */
  readonly hub: string | Hub;
  /** The program that workers must run; this package unless given. */
  readonly identity?: Identity;
  /** A worker that is silent for so long has lost its job; 30 unless given. */
  readonly leaseSeconds?: number;
}

/** A server's URL, or more about it. */
export type Workers = string | SharedWork;

/** @param url `nats://[TOKEN@]host:4222` or `tls://…` @throws INVALID_ARGUMENT, UNAUTHORIZED, SERVER_UNREACHABLE, NOT_SUPPORTED */
export async function openHub(url: string): Promise<Hub> {
  return (await import("./nats-hub.ts")).openNatsHub(url);
}

/** Do `body` at the hub; one that was handed over stays open, one that its URL opened is closed. @throws as `openHub` */
export async function withHub<T>(
  workers: Workers,
  body: (hub: Hub, shared: SharedWork) => Promise<T>,
): Promise<T> {
  const shared = typeof workers === "string" ? { hub: workers } : workers;
  if (typeof shared.hub !== "string") return body(shared.hub, shared);
  const hub = await openHub(shared.hub);
  try {
    return await body(hub, shared);
  } finally {
    await hub.close();
  }
}
