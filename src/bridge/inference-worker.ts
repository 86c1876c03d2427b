/** @file The worker thread of inference: builds the policy, runs batches, answers with encoded replies. */

import { type InferenceBatch, type InferenceRequest, runBatch, type ServedPolicy } from "./inference.ts";
import { buildFrom, type ModuleFactory, runWorker } from "./server/worker-body.ts";

await runWorker<ModuleFactory, readonly InferenceRequest[], InferenceBatch, string>(async (factory) => {
  const policy = (await buildFrom(factory)) as ServedPolicy;
  return {
    facts: policy.metadata ?? {},
    call: (requests) => runBatch(policy, requests),
    note: (session) => policy.end?.(session),
    buffers: ({ results }) =>
      results.flatMap((result) => ("reply" in result ? [result.reply.bytes.buffer] : [])),
    close: () => policy.close?.(),
  };
});
