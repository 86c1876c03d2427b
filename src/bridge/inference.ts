/** @file What a policy server asks of a policy, and running it where it cannot hold up the sockets. */

import { ReverieError } from "../core/errors.ts";
import { isNdArray } from "../core/ndarray.ts";
import { encodeEntries, type PackedEntries, type WireMap, type WireValue } from "./codec.ts";
import { decodeFrames } from "./frames.ts";

/** One robot's observation in a batch. */
export interface InferenceRequest {
  /** Which session asks; unique in the server, opaque. */
  readonly session: string;
  /** Is this the first observation of an episode, or the first since the policy was (re)started? */
  readonly begins: boolean;
  readonly observation: WireMap;
}

/**
 * A policy that serves robots: it answers several at once, in the order of the requests.
 *
 * A throw fails every request of the batch; the server then retries them one by one, so that one robot's bad
 * observation is only its own problem. Check observations before changing any state.
 */
export interface ServedPolicy {
  /** Sent to every robot at once after it connects, under the keys that it expects. */
  readonly metadata?: WireMap;
  /** One reply per request; by openpi's convention `{actions: float32 [horizon, A]}`. */
  infer(requests: readonly InferenceRequest[]): Promise<readonly WireMap[]> | readonly WireMap[];
  /** The session is over: forget what is kept for it. */
  end?(session: string): void;
  close?(): Promise<void> | void;
}

/** What became of one request. */
export type InferenceResult =
  | { readonly reply: PackedEntries; readonly encodeMs: number }
  | { readonly error: { readonly code: string; readonly message: string } };

/** Results of one batch, in the order of its requests. */
export interface InferenceBatch {
  readonly results: readonly InferenceResult[];
  readonly inferMs: number;
}

/** Where inference happens. */
export interface Inference {
  readonly metadata: WireMap;
  /** Changes when the policy was restarted and lost what it remembered. */
  readonly generation: number;
  /** Never rejects: failures are results. */
  infer(requests: readonly InferenceRequest[]): Promise<InferenceBatch>;
  end(session: string): void;
  /** Why it cannot infer right now, if so. */
  health(): string | undefined;
  close(): Promise<void>;
}

/** Run `policy` on this thread. Only for policies that answer within a millisecond or two: sockets wait meanwhile. */
export function localInference(policy: ServedPolicy): Inference {
  return {
    metadata: policy.metadata ?? {},
    generation: 0,
    infer: (requests) => runBatch(policy, requests),
    end: (session) => policy.end?.(session),
    health: () => undefined,
    close: async () => policy.close?.(),
  };
}

/** Run one batch through `policy`: expand coded frames, infer, check, encode. */
export async function runBatch(
  policy: ServedPolicy,
  requests: readonly InferenceRequest[],
): Promise<InferenceBatch> {
  const startMs = performance.now();
  try {
    const expanded = await Promise.all(requests.map(expand));
    const replies = await policy.infer(expanded);
    const inferMs = performance.now() - startMs;
    return { results: requests.map((_, i) => pack(replies[i])), inferMs };
  } catch (error) {
    if (requests.length === 1)
      return { results: [{ error: describe(error) }], inferMs: performance.now() - startMs };
    const alone: InferenceBatch[] = [];
    for (const request of requests) alone.push(await runBatch(policy, [request]));
    return { results: alone.flatMap(({ results }) => results), inferMs: performance.now() - startMs };
  }
}

/** An error as it goes to a client: its code and message, never its stack. */
export function describe(error: unknown): { code: string; message: string } {
  if (error instanceof ReverieError) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}

async function expand(request: InferenceRequest): Promise<InferenceRequest> {
  return { ...request, observation: (await decodeFrames(request.observation)) as WireMap };
}

function pack(reply: WireMap | undefined): InferenceResult {
  const startMs = performance.now();
  try {
    if (reply === undefined) throw new TypeError("the policy returned fewer replies than requests");
    checkFinite(reply.actions);
    const { seq: _1, t_mono: _2, epoch: _3, episode: _4, server_timing: _5, ...own } = reply;
    const packed = encodeEntries(own);
    return { reply: packed, encodeMs: performance.now() - startMs };
  } catch (error) {
    return { error: describe(error) };
  }
}

function checkFinite(actions: WireValue): void {
  if (!isNdArray(actions) || actions.dtype.includes("int")) return;
  const data = actions.data as Float32Array;
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  throw new ReverieError({
    code: "NOT_FINITE",
    what: "the policy decided an action that is not finite",
    expected: "finite numbers",
    got: `${data[bad]} at element ${bad}`,
    fix: "nothing was sent to the robot; look at the observation and the policy's weights",
  });
}
