/** @file What a policy server asks of a policy, and how one batch is run: bytes in, replies as bytes out. */

import { fail, ReverieError } from "../core/errors.ts";
import { isNdArray } from "../core/ndarray.ts";
import { decodeMap, encodeBoth, Float, type WireMap, type WireValue } from "./codec.ts";
import { decodeFrames, holdsCodedFrame } from "./frames.ts";
import type { DecodeLimits } from "./limits.ts";
import { type Opaque, withoutControl } from "./server/requests.ts";

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

/** What the server adds to a reply. */
export interface ReplyStamp {
  readonly seq: number | undefined;
  readonly tMono: Opaque | undefined;
  readonly episode: number | undefined;
  readonly epoch: number | undefined;
  /** How long the whole previous request took on the server. */
  readonly previousTotalMs: number | undefined;
  /** How long the request waited for its inference; set when that begins. */
  queueMs: number;
}

/** One request as it lies on the wire; its memory moves to wherever inference happens. */
export interface InferenceItem {
  readonly session: string;
  readonly begins: boolean;
  /** A message whose structure is checked; its text and arrays are not yet. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly stamp: ReplyStamp;
  /** The server's bounds on messages. */
  readonly limits: DecodeLimits;
}

/** What became of one request: the whole reply, or why there is none. */
export type InferenceResult =
  | { readonly bytes: Uint8Array<ArrayBuffer>; readonly encodeMs: number }
  | { readonly error: { readonly code: string; readonly message: string } };

/** Results of one batch, in the order of its items. */
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
  infer(items: readonly InferenceItem[]): Promise<InferenceBatch>;
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
    infer: (items) => runBatch(policy, items),
    end: (session) => policy.end?.(session),
    health: () => undefined,
    close: async () => policy.close?.(),
  };
}

/** Run one batch through `policy`: decode, expand coded frames, infer, check, encode. */
export async function runBatch(
  policy: ServedPolicy,
  items: readonly InferenceItem[],
): Promise<InferenceBatch> {
  const startMs = performance.now();
  const results: InferenceResult[] = [];
  const rows: number[] = [];
  const requests: InferenceRequest[] = [];
  for (let i = 0; i < items.length; i++) {
    const { session, begins, bytes, limits } = items[i];
    try {
      const message = withoutControl(decodeMap(bytes, { limits }));
      const observation = holdsCodedFrame(message) ? ((await decodeFrames(message)) as WireMap) : message;
      requests.push({ session, begins, observation });
      rows.push(i);
    } catch (error) {
      results[i] = { error: describe(error) };
    }
  }
  const replies = requests.length === 0 ? [] : await decide(policy, requests);
  const inferMs = performance.now() - startMs;
  for (let i = 0; i < rows.length; i++) results[rows[i]] = pack(replies[i], items[rows[i]].stamp, inferMs);
  return { results, inferMs };
}

type Decision = WireMap | { readonly failure: unknown } | undefined;

async function decide(
  policy: ServedPolicy,
  requests: readonly InferenceRequest[],
): Promise<readonly Decision[]> {
  try {
    return await policy.infer(requests);
  } catch (failure) {
    if (requests.length === 1) return [{ failure }];
    const alone: Decision[] = [];
    for (const request of requests) alone.push(...(await decide(policy, [request])));
    return alone;
  }
}

/** An error as it goes to a client: its code and message, never its stack. */
export function describe(error: unknown): { code: string; message: string } {
  if (error instanceof ReverieError) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}

function pack(reply: Decision, stamp: ReplyStamp, inferMs: number): InferenceResult {
  const startMs = performance.now();
  try {
    if (reply === undefined) throw new TypeError("the policy returned fewer replies than requests");
    if ("failure" in reply) return { error: describe(reply.failure) };
    checkFinite(reply.actions);
    const { seq, tMono: t_mono, episode, epoch } = stamp;
    const bytes = encodeBoth(reply, {
      seq,
      t_mono,
      episode,
      epoch,
      server_timing: timingMap(stamp, inferMs),
    });
    const encodeMs = performance.now() - startMs;
    bytes.writeDoubleBE(encodeMs, bytes.length - 8);
    return { bytes, encodeMs };
  } catch (error) {
    return { error: describe(error) };
  }
}

/** Timings as the wire has them; they end the message, so that the last number can be filled in once it is known. */
function timingMap({ queueMs, previousTotalMs }: ReplyStamp, inferMs: number): WireMap {
  return {
    queue_ms: new Float(queueMs),
    infer_ms: new Float(inferMs),
    prev_total_ms: previousTotalMs === undefined ? undefined : new Float(previousTotalMs),
    encode_ms: new Float(0),
  };
}

function checkFinite(actions: WireValue): void {
  if (!isNdArray(actions) || !actions.dtype.startsWith("float")) return;
  const data = actions.data as Float32Array;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    fail({
      code: "NOT_FINITE",
      what: "the policy decided an action that is not finite",
      expected: "finite numbers",
      got: `${data[i]} at element ${i}`,
      fix: "nothing was sent to the robot; look at the observation and the policy's weights",
    });
  }
}
