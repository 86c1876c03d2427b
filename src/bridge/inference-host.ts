/** @file Inference in a worker thread: started, watched, restarted, and never in the way of a socket. */

import type { Worker } from "node:worker_threads";
import { fail } from "../core/errors.ts";
import { isNdArray } from "../core/ndarray.ts";
import type { WireMap, WireValue } from "./codec.ts";
import type { Inference, InferenceBatch, InferenceRequest } from "./inference.ts";
import type { FromWorker, PolicyModule, ToWorker } from "./inference-worker.ts";
import { startWorker } from "./server/worker.ts";

/** Options of inference in a worker. */
export interface InferenceOptions extends PolicyModule {
  /** A batch that takes longer fails and the worker is replaced. Default 120 s: a first compilation is slow. */
  readonly timeoutMs?: number;
  /** Told why the worker died. It is restarted, after 0.25 s at first, doubling to 10 s. */
  readonly onFailure?: (message: string) => void;
}

interface Waiting {
  readonly size: number;
  readonly settle: (batch: InferenceBatch) => void;
  readonly timer: NodeJS.Timeout;
}

const firstRestartMs = 250;
const lastRestartMs = 10_000;

/** A policy in a worker thread. */
export class WorkerInference implements Inference {
  metadata: WireMap = {};
  generation = 0;
  private readonly options: InferenceOptions;
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private restartMs = firstRestartMs;
  private restart: NodeJS.Timeout | undefined;
  private trouble: string | undefined = "inference worker is starting";
  private closed = false;

  constructor(options: InferenceOptions) {
    this.options = options;
  }

  /** Start the worker. @throws WORKER_FAILED when the policy cannot be built */
  async start(): Promise<void> {
    const worker = startWorker("./inference-worker", import.meta.url, plainModule(this.options));
    this.worker = worker;
    const metadata = await new Promise<WireMap>((resolve, reject) => {
      worker.on("message", (message: FromWorker) => {
        if (message.type === "ready") resolve(message.metadata);
        else if (message.type === "failed") reject(new Error(message.message));
        else this.done(message.id, message.batch);
      });
      worker.on("error", (error) => reject(error));
      worker.on("exit", (code) => reject(new Error(`worker exited with ${code}`)));
    }).catch(async (error: Error) => {
      this.worker = undefined;
      await worker.terminate();
      this.trouble = `policy could not be built: ${error.message}`;
      return fail({
        code: "WORKER_FAILED",
        what: this.trouble,
        fix: `look at ${this.options.module}`,
        cause: error,
      });
    });
    if (this.closed) return;
    this.metadata = metadata;
    this.trouble = undefined;
    worker.on("error", (error) => this.failed(worker, error.message));
    worker.on("exit", (code) => this.failed(worker, `worker exited with ${code}`));
  }

  infer(requests: readonly InferenceRequest[]): Promise<InferenceBatch> {
    const { worker, trouble } = this;
    if (worker === undefined || trouble !== undefined)
      return Promise.resolve(failure(requests.length, trouble ?? "closed"));
    return new Promise((settle) => {
      const id = this.nextId++;
      const timer = setTimeout(() => this.expire(worker), this.options.timeoutMs ?? 120_000);
      this.waiting.set(id, { size: requests.length, settle, timer });
      worker.postMessage({ type: "infer", id, requests } satisfies ToWorker, buffersOf(requests));
    });
  }

  end(session: string): void {
    if (this.trouble === undefined) this.worker?.postMessage({ type: "end", session } satisfies ToWorker);
  }

  health(): string | undefined {
    return this.trouble;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.restart);
    const { worker } = this;
    this.failed(worker, "closed");
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const timer = setTimeout(() => void worker.terminate(), 1000);
    worker.postMessage({ type: "close" } satisfies ToWorker);
    await exited;
    clearTimeout(timer);
  }

  private done(id: number, batch: InferenceBatch): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    clearTimeout(waiting.timer);
    this.restartMs = firstRestartMs;
    waiting.settle(batch);
  }

  private expire(worker: Worker): void {
    this.failed(worker, "inference took longer than its timeout");
    void worker.terminate();
  }

  private failed(worker: Worker | undefined, message: string): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    this.trouble = `inference worker failed: ${message}`;
    for (const { size, settle, timer } of this.waiting.values()) {
      clearTimeout(timer);
      settle(failure(size, this.trouble));
    }
    this.waiting.clear();
    if (this.closed) return;
    this.options.onFailure?.(message);
    this.scheduleRestart();
  }

  private scheduleRestart(): void {
    this.generation++;
    this.restart = setTimeout(() => {
      this.start().catch((error: Error) => {
        this.options.onFailure?.(error.message);
        if (!this.closed) this.scheduleRestart();
      });
    }, this.restartMs);
    this.restartMs = Math.min(lastRestartMs, this.restartMs * 2);
  }
}

/** Build a policy in a worker thread of its own. @throws WORKER_FAILED when that fails */
export async function openInference(options: InferenceOptions): Promise<Inference> {
  const inference = new WorkerInference(options);
  await inference.start();
  return inference;
}

function plainModule({ module, name, options }: PolicyModule): PolicyModule {
  return { module, name, options };
}

function failure(size: number, message: string): InferenceBatch {
  return {
    results: Array.from({ length: size }, () => ({ error: { code: "WORKER_FAILED", message } })),
    inferMs: 0,
  };
}

/** The memory of a batch's messages, to be moved rather than copied. */
function buffersOf(requests: readonly InferenceRequest[]): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  const visit = (value: WireValue): void => {
    if (typeof value !== "object" || value === null) return;
    if (value instanceof Uint8Array) found.add(value.buffer as ArrayBuffer);
    else if (isNdArray(value)) found.add(value.data.buffer as ArrayBuffer);
    else for (const item of Object.values(value)) visit(item as WireValue);
  };
  for (const { observation } of requests) visit(observation);
  return [...found];
}
