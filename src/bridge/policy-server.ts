/** @file The policy server: openpi's wire for stock clients, and a superset with sessions, numbers and timings. */

import { randomUUID } from "node:crypto";
import type { WireMap } from "./codec.ts";
import type { Inference } from "./inference.ts";
import { withLimits } from "./limits.ts";
import { FairBatcher } from "./server/batcher.ts";
import { type ListenerOptions, openListener } from "./server/listener.ts";
import type { Peer } from "./server/peer.ts";
import { PolicyConnection, type PolicyContext, type PolicySession } from "./server/policy-connection.ts";
import { runSessionServer, type SessionServer } from "./server/session-server.ts";
import { SessionTable } from "./session.ts";

/** Options of a policy server, besides those of every listener. */
export interface PolicyServerOptions extends ListenerOptions {
  /** Where the policy runs: `openInference` for a worker, `localInference` for a trivial policy. */
  readonly inference: Inference;
  /** Sent to every client when it connects, beside the policy's own, e.g. `{reset_pose: [...]}`. */
  readonly metadata?: WireMap;
  /** Identifies the model; a client that resumes compares it. */
  readonly modelId?: string;
  /**
   * Announce the superset under the metadata key `reverie`. Default true; false for clients that take the metadata
   * apart strictly, as roboarena's do.
   */
  readonly announce?: boolean;
  /** Robots served by one inference. Default 16. */
  readonly maxBatch?: number;
  /** How a stock client's `endpoint: "reset"` is answered: a map (vllm-omni) or text (roboarena). Default "map". */
  readonly resetReply?: "map" | "text";
  /** Drain on SIGTERM and SIGINT. Default false: a library does not own the process. */
  readonly handleSignals?: boolean;
}

/** A running policy server. */
export type PolicyServer = SessionServer;

/**
 * Serve a policy to robots.
 *
 * Stock openpi clients work unchanged: metadata first, one observation map up, one reply map down, `/healthz`. The
 * token is checked before anything else. See docs/bridge.md for the superset.
 * @throws UNAUTHORIZED when the address is public and no token guards it
 */
export async function openPolicyServer(options: PolicyServerOptions): Promise<PolicyServer> {
  const { inference } = options;
  const context = makeContext(options);
  const listener = await openListener((peer: Peer) => new PolicyConnection(peer, context), {
    ...options,
    health: () => inference.health() ?? options.health?.(),
  });
  const { handleSignals } = options;
  return runSessionServer(listener, context.sessions, { handleSignals, afterwards: () => inference.close() });
}

function makeContext(options: PolicyServerOptions): PolicyContext {
  const { inference, modelId, announce = true, maxBatch = 16, resetReply = "map" } = options;
  const limits = withLimits(options.limits);
  const batcher = new FairBatcher(inference, maxBatch, limits);
  const sessions = new SessionTable<PolicySession>({
    limits,
    makeState: () => ({ begins: true, episode: undefined }),
    dispose: (session) => batcher.end(session.key),
  });
  const superset = {
    protocol: 1,
    kind: "policy",
    server: randomUUID(),
    model: modelId ?? null,
    max_bytes: limits.maxBytes,
  };
  const greeting = { ...inference.metadata, ...options.metadata, ...(announce ? { reverie: superset } : {}) };
  return {
    limits,
    sessions,
    batcher,
    greeting,
    modelId,
    resetReply,
    emit: options.onEvent ?? (() => undefined),
  };
}
