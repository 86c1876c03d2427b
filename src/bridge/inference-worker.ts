/** @file The worker thread of inference: builds the policy, runs batches, answers with encoded replies. */

import { type InferenceBatch, type InferenceItem, runBatch, type ServedPolicy } from "./inference.ts";
import { buildFrom, type ModuleFactory, runWorker } from "./server/worker-body.ts";

await runWorker<ModuleFactory, readonly InferenceItem[], InferenceBatch, string>(async (factory) => {
  const policy = (await buildFrom(factory)) as ServedPolicy;
  return {
    facts: policy.metadata ?? {},
    call: (items) => runBatch(policy, items),
    note: (session) => policy.end?.(session),
    buffers: ({ results }) => results.flatMap((result) => ("bytes" in result ? [result.bytes.buffer] : [])),
    close: () => policy.close?.(),
  };
});
