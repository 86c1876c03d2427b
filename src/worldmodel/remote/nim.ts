/**
 * @file The Cosmos NIM's `/v1/infer`: forward dynamics from a picture and a chunk of actions, and videos from prompts.
 *
 * Stateless: the client owns the loop. It has never met a real NIM, only a server of the tests that keeps its contract.
 * @source NVIDIA Cosmos 3 NIM, api-reference, generation, action and operations pages
 */

import { fail } from "../../core/errors.ts";
import { checkChunk, checkFrameCount, type ActionChunk } from "./chunks.ts";
import { makeHttpClient, pause, type HttpClient, type HttpOptions } from "./http.ts";

/** Fields of sampling; those absent are the server's own (distilled variants refuse them). */
export interface Sampling {
  readonly steps?: number;
  readonly guidance?: number;
  readonly flowShift?: number;
}

/** What actions are in, and how frames are made of them. */
export interface Dynamics {
  /** `av`, `umi`, `bridge_orig_lerobot`, `droid_lerobot`, or one that the server was trained on since. */
  readonly domain: string;
  /** Numbers per action there. */
  readonly actionSize: number;
  readonly prompt: string;
  readonly rateHz: number;
  readonly sampling?: Sampling;
}

/** One picture and the actions that follow it. */
export interface ForwardRequest {
  readonly image: { readonly bytes: Uint8Array; readonly type: string };
  readonly width: number;
  readonly height: number;
  /** T actions; T a multiple of four. */
  readonly actions: ActionChunk;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** A server that turns a picture and T actions into a video of T + 1 frames, the picture first. */
export interface ForwardServer {
  readonly kind: "nim" | "omni";
  /** Wait until the server is ready. @throws TIMEOUT, INTERRUPTED, CONNECTION_LOST */
  waitReady(options?: WaitOptions): Promise<void>;
  /** A video's bytes. @throws INVALID_ARGUMENT and INVALID_SHAPE before anything is sent; GUARDRAIL_BLOCKED, … */
  forward(request: ForwardRequest): Promise<Uint8Array>;
}

/** How long to wait for a server that loads its model. */
export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly pauseMs?: number;
  readonly signal?: AbortSignal;
}

/** Ask `isReady` until it says so. @throws TIMEOUT, INTERRUPTED */
export async function pollUntil(
  what: string,
  isReady: () => Promise<boolean>,
  options: WaitOptions,
): Promise<void> {
  const { timeoutMs = 600_000, pauseMs = 1000, signal } = options;
  const end = performance.now() + timeoutMs;
  while (!(await isReady())) {
    if (performance.now() >= end) {
      fail({
        code: "TIMEOUT",
        what,
        expected: `within ${timeoutMs} ms`,
        fix: "see the server's log; large models load for many minutes",
      });
    }
    await pause(pauseMs, signal);
  }
}

/** Present fields only: the server refuses those that it does not know. */
function samplingFields({ steps, guidance, flowShift }: Sampling = {}): Record<string, number> {
  const all = { num_inference_steps: steps, guidance_scale: guidance, flow_shift: flowShift };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<
    string,
    number
  >;
}

/** The tier whose sizes pictures are letterboxed into. */
const smallestTier = "256";

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** The video in an answer. @throws PROTOCOL when there is none */
function videoOf(answer: Record<string, unknown>): Uint8Array {
  if (typeof answer.b64_video === "string" && answer.b64_video.length > 0)
    return new Uint8Array(Buffer.from(answer.b64_video, "base64"));
  return fail({
    code: "PROTOCOL",
    what: "the server's answer holds no video",
    expected: "b64_video",
    got: Object.keys(answer).join(", ") || "an empty object",
    fix: "a variant that only gives actions (policy, inverse dynamics) cannot imagine frames",
  });
}

/** A video from words, and from a picture if there is one. */
export interface VideoRequest {
  readonly prompt: string;
  readonly negativePrompt?: string;
  readonly image?: ForwardRequest["image"];
  /** 1 + 4·k. */
  readonly frames: number;
  /** Such as "256" or "480_16_9". */
  readonly resolution: string;
  readonly fps: number;
  readonly seed: number;
  readonly sampling?: Sampling;
  readonly signal?: AbortSignal;
}

/** A NIM's Generator. */
export interface NimServer extends ForwardServer {
  /** What the container says of itself: `model_type`, `model_variant`, … */
  metadata(): Promise<Record<string, unknown>>;
  /** An MP4 of exactly `frames` frames. @throws as `forward`, with INVALID_ARGUMENT for a count that cannot be made */
  generate(request: VideoRequest): Promise<Uint8Array>;
}

async function isReady(client: HttpClient, signal?: AbortSignal): Promise<boolean> {
  const answer = client.json({ method: "GET", path: "/v1/health/ready", signal });
  // Live and not ready: the route answers 503, or refuses the connection while the container starts.
  const { status } = await answer.catch((error: unknown) => {
    const { code } = error as { code?: string };
    if (code === "REMOTE_FAILED" || code === "CONNECTION_LOST") return { status: "not ready" };
    throw error;
  });
  return status === "ready";
}

type Body = Record<string, unknown>;

const dataUrl = ({ bytes, type }: ForwardRequest["image"]): string => `data:${type};base64,${base64(bytes)}`;

/** @throws INVALID_ARGUMENT, INVALID_SHAPE */
function forwardBody({ image, actions, seed }: ForwardRequest, dynamics: Dynamics): Body {
  const { domain, actionSize, prompt, rateHz, sampling } = dynamics;
  const chunk = checkChunk(actions, actionSize);
  const params = {
    domain_name: domain,
    action_chunk_size: chunk.length,
    action: chunk,
    raw_action_dim: actionSize,
    image_size: smallestTier,
    action_fps: rateHz,
  };
  const common = { model_mode: "forward_dynamics", prompt, input_reference: dataUrl(image) };
  return { ...common, action_params: params, fps: rateHz, seed, ...samplingFields(sampling) };
}

/** @throws INVALID_ARGUMENT for a count of frames that cannot be made */
function videoBody({ image, frames, resolution, fps, seed, ...words }: VideoRequest): Body {
  return {
    model_mode: image === undefined ? "text2video" : "image2video",
    prompt: words.prompt,
    ...(words.negativePrompt !== undefined && { negative_prompt: words.negativePrompt }),
    ...(image && { input_reference: dataUrl(image) }),
    num_frames: checkFrameCount(frames, resolution),
    resolution,
    fps,
    seed,
    ...samplingFields(words.sampling),
  };
}

/** A NIM at an address, with the domain that its actions are of. */
export function openNim(options: HttpOptions & Dynamics): NimServer {
  const client = makeHttpClient(options);
  const infer = async (body: Body, signal?: AbortSignal): Promise<Uint8Array> =>
    videoOf(await client.json({ method: "POST", path: "/v1/infer", body, signal }));
  return {
    kind: "nim",
    metadata: () => client.json({ method: "GET", path: "/v1/metadata" }),
    waitReady: (wait = {}) =>
      pollUntil(`${client.url} is not ready`, () => isReady(client, wait.signal), wait),
    forward: async (request) => infer(forwardBody(request, options), request.signal),
    generate: async (request) => infer(videoBody(request), request.signal),
  };
}
