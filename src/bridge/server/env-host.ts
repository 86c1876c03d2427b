/** @file Where a served environment lives: on this thread, or in a worker of its own. */

import { fail } from "../../core/errors.ts";
import { isNdArray, type NdArray } from "../../core/ndarray.ts";
import type { VectorEnv } from "../../env/env.ts";
import { encodeEntries, type PackedEntries, type WireMap, type WireValue } from "../codec.ts";
import { encodeFrames, type FrameOptions } from "../frames.ts";
import { describe } from "../inference.ts";
import {
  type EnvFacts,
  framesToWire,
  maskFromWire,
  type OpenRequest,
  resetFromWire,
  resetResultToWire,
  stepToWire,
} from "../wire/env-messages.ts";
import { WorkerCalls } from "./worker-calls.ts";

/** A call to a served environment. */
export interface EnvCall {
  readonly endpoint: "reset" | "step" | "render";
  readonly body: WireMap;
}

/** What became of a call. */
export type EnvAnswer =
  | { readonly reply: PackedEntries; readonly envMs: number; readonly encodeMs: number }
  | { readonly error: { readonly code: string; readonly message: string } };

/** One session's environment. */
export interface EnvHost {
  readonly facts: EnvFacts;
  /** Never rejects: failures are answers. Calls must not overlap. */
  call(call: EnvCall): Promise<EnvAnswer>;
  close(): Promise<void>;
}

/** Any vector environment, whatever its observations and actions. */
export type AnyVectorEnv = VectorEnv<never, never> | VectorEnv;

/** Serve an environment on this thread. */
export function localEnvHost(made: AnyVectorEnv, frames: FrameOptions): EnvHost {
  const env = made as VectorEnv;
  return {
    facts: factsOf(env),
    call: (call) => answerCall(env, call, frames),
    close: () => env.close(),
  };
}

/** What a learner must know of an environment. */
export function factsOf(env: VectorEnv): EnvFacts {
  return {
    numEnvs: env.numEnvs,
    observationSpace: env.singleObservationSpace.toJSON(),
    actionSpace: env.singleActionSpace.toJSON(),
    metadata: env.metadata,
    renders: env.render !== undefined,
  };
}

/** Run one call and encode its result before the environment may reuse its arrays. */
export async function answerCall(env: VectorEnv, call: EnvCall, frames: FrameOptions): Promise<EnvAnswer> {
  try {
    const startMs = performance.now();
    const result = await run(env, call);
    const ranMs = performance.now();
    const coded = frames.codec === "raw" ? result : ((await encodeFrames(result, frames)) as WireMap);
    const reply = encodeEntries(coded);
    return { reply, envMs: ranMs - startMs, encodeMs: performance.now() - ranMs };
  } catch (error) {
    return { error: describe(error) };
  }
}

async function run(env: VectorEnv, { endpoint, body }: EnvCall): Promise<WireMap> {
  if (endpoint === "reset") return resetResultToWire(await env.reset(resetFromWire(body)));
  if (endpoint === "step") {
    const actions = checkFinite(body.actions) as NdArray;
    return stepToWire(env.singleObservationSpace, await env.step(actions, maskFromWire(body.mask)));
  }
  if (env.render === undefined) {
    return fail({
      code: "NOT_SUPPORTED",
      what: "this environment does not render",
      fix: "make it with a renderMode",
    });
  }
  return framesToWire(await env.render());
}

function checkFinite(actions: WireValue): WireValue {
  if (actions === undefined || actions === null) {
    return fail({
      code: "PROTOCOL",
      what: "a step needs actions",
      expected: 'a batch under the key "actions"',
    });
  }
  if (isNdArray(actions) && actions.dtype.startsWith("float")) {
    const bad = (actions.data as Float32Array).findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const got = `${actions.data[bad]} at element ${bad}`;
      fail({
        code: "NOT_FINITE",
        what: "an action is not finite",
        expected: "finite numbers",
        got,
        fix: "look at the policy",
      });
    }
  }
  return actions;
}

/** What the environment's worker is started with. */
export interface EnvWorkerData {
  readonly module: string;
  readonly name: string;
  readonly request: OpenRequest;
  readonly frames: FrameOptions;
}

/** Serve an environment from a worker of its own, so that a slow one holds up nobody. @throws WORKER_FAILED */
export async function workerEnvHost(data: EnvWorkerData): Promise<EnvHost> {
  const calls = new WorkerCalls<EnvCall, EnvAnswer>("./env-worker", import.meta.url, data);
  try {
    const facts = (await calls.ready) as EnvFacts;
    return {
      facts,
      call: (call) => calls.call(call).catch((error: unknown) => lost(error)),
      close: () => calls.close(),
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await calls.terminate(message);
    return fail({ code: "WORKER_FAILED", what: `environment could not be made: ${message}`, cause: error });
  }
}

function lost(error: unknown): EnvAnswer {
  return {
    error: { code: "WORKER_FAILED", message: `environment's worker failed: ${describe(error).message}` },
  };
}
