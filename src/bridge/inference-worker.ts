/** @file The worker thread of inference: builds the policy, runs batches, answers with encoded replies. */

import { parentPort, workerData } from "node:worker_threads";
import {
  describe,
  type InferenceBatch,
  type InferenceRequest,
  runBatch,
  type ServedPolicy,
} from "./inference.ts";
import type { WireMap } from "./codec.ts";
import { importModule } from "./server/worker.ts";

/** What the worker builds: `module`'s export `name`, called with `options`. */
export interface PolicyModule {
  /** File URL or package name. */
  readonly module: string;
  /** Default "makePolicy". */
  readonly name?: string;
  /** Passed to the factory; plain data. */
  readonly options?: unknown;
}

/** Messages to the worker. */
export type ToWorker =
  | { readonly type: "infer"; readonly id: number; readonly requests: readonly InferenceRequest[] }
  | { readonly type: "end"; readonly session: string }
  | { readonly type: "close" };

/** Messages from the worker. */
export type FromWorker =
  | { readonly type: "ready"; readonly metadata: WireMap }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "done"; readonly id: number; readonly batch: InferenceBatch };

async function build({ module, name = "makePolicy", options }: PolicyModule): Promise<ServedPolicy> {
  const exported = (await importModule(module))[name];
  if (typeof exported !== "function") throw new TypeError(`${module} exports no function "${name}"`);
  return (await (exported as (options: unknown) => unknown)(options)) as ServedPolicy;
}

async function serve(): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  try {
    const policy = await build((workerData as { data: PolicyModule }).data);
    port.on("message", (message: ToWorker) => void handle(policy, message, post));
    post({ type: "ready", metadata: policy.metadata ?? {} });
  } catch (error) {
    post({ type: "failed", message: describe(error).message });
  }
}

async function handle(
  policy: ServedPolicy,
  message: ToWorker,
  post: (message: FromWorker, transfer?: ArrayBuffer[]) => void,
): Promise<void> {
  if (message.type === "end") return policy.end?.(message.session);
  if (message.type === "close") {
    await policy.close?.();
    parentPort?.close();
    return;
  }
  const batch = await runBatch(policy, message.requests);
  const buffers = batch.results.flatMap((result) => ("reply" in result ? [result.reply.bytes.buffer] : []));
  post({ type: "done", id: message.id, batch }, buffers);
}

void serve();
