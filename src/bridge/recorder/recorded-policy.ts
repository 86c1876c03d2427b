/** @file A served policy that records what robots showed it and what it answered: one episode per session and episode. */

import { isNdArray, ndarray, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { isWireMap } from "../codec.ts";
import type { WireMap, WireValue } from "../codec.ts";
import type { InferenceRequest, ServedPolicy } from "../inference.ts";
import type { EpisodeRecording, Recorder } from "../recorder.ts";

/** What a recording of a served policy says beside the steps. */
export interface RecordPolicyOptions {
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Physical range of each action number; without it actions are recorded as [-1, 1]. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
}

interface Following {
  readonly recording: EpisodeRecording;
  /** The answer to the observation before, and when it was given. */
  actions: NdArray;
  answeredMs: number;
}

/**
 * `policy`, recorded. A server hears of a step's action only by its own answer, so `actions` holds the first row of each
 * chunk, `extras.executed` is what was answered, not what the robot made of it, and rewards are 0.
 */
export function recordedPolicy(
  policy: ServedPolicy,
  recorder: Recorder,
  options: RecordPolicyOptions = {},
): ServedPolicy {
  const following = new Map<string, Following>();
  const end = (session: string): void => {
    const known = following.get(session);
    following.delete(session);
    void known?.recording.end({ terminated: false, truncated: true });
  };
  return {
    metadata: policy.metadata,
    async infer(requests) {
      const startMs = performance.now();
      const replies = await policy.infer(requests);
      const inferMs = performance.now() - startMs;
      requests.forEach((request, i) => {
        if (request.begins) end(request.session);
        follow(request, replies[i], { following, recorder, options, inferMs });
      });
      return replies;
    },
    end(session) {
      end(session);
      policy.end?.(session);
    },
    async close() {
      for (const session of following.keys()) end(session);
      await recorder.flush();
      await policy.close?.();
    },
  };
}

interface Surroundings {
  readonly following: Map<string, Following>;
  readonly recorder: Recorder;
  readonly options: RecordPolicyOptions;
  readonly inferMs: number;
}

function follow({ session, observation }: InferenceRequest, reply: WireMap, around: Surroundings): void {
  const { following, recorder, options, inferMs } = around;
  const actions = firstRow(reply.actions);
  if (actions === undefined) return;
  const arrays = arraysOf(observation);
  const known = following.get(session);
  if (known === undefined) {
    const width = actions.data.length;
    const { low = Array.from({ length: width }, () => -1), high = Array.from({ length: width }, () => 1) } =
      options;
    const meta = { ...options.meta, session, ...textsOf(observation) };
    const recording = recorder.begin({ meta, low, high, observation: arrays });
    following.set(session, { recording, actions, answeredMs: performance.now() });
    return;
  }
  const facts = { inferMs, intervalMs: performance.now() - known.answeredMs };
  known.recording.step({
    reward: 0,
    commanded: known.actions,
    executed: known.actions,
    observation: arrays,
    facts,
  });
  known.actions = actions;
  known.answeredMs = performance.now();
}

function firstRow(actions: WireValue): NdArray | undefined {
  if (!isNdArray(actions)) return undefined;
  const width = actions.shape.at(-1) ?? 1;
  return ndarray("float32", [width], Float32Array.from(actions.data.subarray(0, width), Number));
}

/** Arrays of an observation; nested names are joined by slashes, plain numbers become arrays of one. */
function arraysOf(map: WireMap, prefix = ""): Record<string, NdArray> {
  const out: Record<string, NdArray> = {};
  for (const [name, value] of Object.entries(map)) {
    if (isNdArray(value)) out[prefix + name] = value;
    else if (typeof value === "number") out[prefix + name] = number(value);
    else if (isWireMap(value)) Object.assign(out, arraysOf(value, `${prefix}${name}/`));
  }
  return out;
}

function number(value: number): NdArray<"float32"> {
  const array = zeros("float32", [1]);
  array.data[0] = value;
  return array;
}

function textsOf(map: WireMap): Record<string, string> {
  const texts = Object.entries(map).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(texts);
}
