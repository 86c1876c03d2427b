/** @file The other half of worker calls: what runs inside the thread. */

import { parentPort, workerData } from "node:worker_threads";
import { describe } from "../inference.ts";
import { importModule } from "./worker.ts";
import type { FromWorker, ToWorker } from "./worker-calls.ts";

/** Something to build in the worker: `module`'s export `name`, called with `options`. */
export interface ModuleFactory {
  /** File URL or package name. */
  readonly module: string;
  readonly name?: string;
  /** Passed to the factory; plain data. */
  readonly options?: unknown;
}

/** What a worker does once it is built. */
export interface WorkerBody<Call, Answer, Note = never> {
  /** Said when ready. */
  readonly facts: unknown;
  call(call: Call): Promise<Answer>;
  note?(note: Note): void;
  /** Buffers of an answer that may move instead of being copied. */
  buffers(answer: Answer): ArrayBuffer[];
  close(): Promise<void> | void;
}

/** Import `factory.module` and call its export `factory.name`. */
export async function buildFrom({ module, name = "", options }: ModuleFactory): Promise<unknown> {
  const exported = (await importModule(module))[name];
  if (typeof exported !== "function") throw new TypeError(`${module} exports no function "${name}"`);
  return (exported as (options: unknown) => unknown)(options);
}

/** Build the body from the data that the thread was started with, and answer calls until told to close. */
export async function runWorker<Data, Call, Answer, Note = never>(
  build: (data: Data) => Promise<WorkerBody<Call, Answer, Note>>,
): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const post = (message: FromWorker<Answer>, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  try {
    const body = await build((workerData as { data: Data }).data);
    port.on("message", (message: ToWorker<Call, Note>) => {
      if (message.type === "note") return body.note?.(message.note);
      if (message.type === "close") return void Promise.resolve(body.close()).finally(() => port.close());
      void body
        .call(message.call)
        .then((answer) => post({ type: "answer", id: message.id, answer }, body.buffers(answer)));
    });
    post({ type: "ready", facts: body.facts });
  } catch (error) {
    post({ type: "failed", message: describe(error).message });
  }
}
