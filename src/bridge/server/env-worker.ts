/** @file The worker thread of one served environment. */

import type { VectorEnv } from "../../env/env.ts";
import { answerCall, type EnvAnswer, type EnvCall, type EnvWorkerData, factsOf } from "./env-host.ts";
import { buildFrom, runWorker } from "./worker-body.ts";

await runWorker<EnvWorkerData, EnvCall, EnvAnswer>(async ({ module, name, request, frames }) => {
  const env = (await buildFrom({ module, name, options: request })) as VectorEnv;
  return {
    facts: factsOf(env),
    call: (call) => answerCall(env, call, frames),
    buffers: (answer) => ("reply" in answer ? [answer.reply.bytes.buffer] : []),
    close: () => env.close(),
  };
});
