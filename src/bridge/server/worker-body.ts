/** @file The other half of worker calls: what runs inside the thread. */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { describe } from "../inference.ts";
import { importModule } from "./worker.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./worker-calls.ts";

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

/** How long an idle worker sleeps before its event loop gets a turn. */
const idleMs = 20;

/** Build the body from the data that the thread was started with, and answer calls, one at a time, until told to close. */
export async function runWorker<Data, Call, Answer, Note = never>(
  build: (data: Data) => Promise<WorkerBody<Call, Answer, Note>>,
): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const post = (message: FromWorker<Answer>, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  const { data, bell } = (workerData as { data: WorkerStart<Data> }).data;
  try {
    const body = await build(data);
    post({ type: "ready", facts: body.facts });
    await listen(port, new Int32Array(bell), async (message: ToWorker<Call, Note>) => {
      if (message.type === "note") body.note?.(message.note);
      if (message.type !== "call") return message.type !== "close";
      const answer = await body.call(message.call);
      post({ type: "answer", id: message.id, answer }, body.buffers(answer));
      return true;
    });
    await body.close();
  } catch (error) {
    post({ type: "failed", message: describe(error).message });
  }
}

/**
 * Take messages until `handle` says false. While there is none the thread sleeps on the bell instead of in its event
 * loop, which answers sooner; now and then the loop gets a turn, for whatever else lives in this thread.
 */
async function listen<Message>(
  port: MessagePort,
  bell: Int32Array,
  handle: (message: Message) => Promise<boolean>,
): Promise<void> {
  for (;;) {
    const rung = Atomics.load(bell, 0);
    const received: { message: Message } | undefined = receiveMessageOnPort(port);
    if (received === undefined) {
      if (Atomics.wait(bell, 0, rung, idleMs) === "timed-out")
        await new Promise((resolve) => setImmediate(resolve));
    } else if (!(await handle(received.message))) return;
  }
}
