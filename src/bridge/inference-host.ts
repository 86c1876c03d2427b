/** @file Inference in a worker thread: started, watched, restarted, and never in the way of a socket. */

import { fail } from "../core/errors.ts";
import type { WireMap } from "./codec.ts";
import type { Inference, InferenceBatch, InferenceItem } from "./inference.ts";
import type { ModuleFactory } from "./server/worker-body.ts";
import { WorkerCalls } from "./server/worker-calls.ts";

/** Options of inference in a worker. `name` of the module's factory defaults to "makePolicy". */
export interface InferenceOptions extends ModuleFactory {
  /** A batch that takes longer fails and the worker is replaced. Default 120 s: a first compilation is slow. */
  readonly timeoutMs?: number;
  /** Told why the worker died. It is restarted, after 0.25 s at first, doubling to 10 s. */
  readonly onFailure?: (message: string) => void;
}

type Calls = WorkerCalls<readonly InferenceItem[], InferenceBatch, string>;

const firstRestartMs = 250;
const lastRestartMs = 10_000;

/** A policy in a worker thread. */
export class WorkerInference implements Inference {
  metadata: WireMap = {};
  generation = 0;
  private readonly options: InferenceOptions;
  private calls: Calls | undefined;
  private restartMs = firstRestartMs;
  private restart: NodeJS.Timeout | undefined;
  private trouble: string | undefined = "inference worker is starting";
  private closed = false;

  constructor(options: InferenceOptions) {
    this.options = options;
  }

  /** Start the worker. @throws WORKER_FAILED when the policy cannot be built */
  async start(): Promise<void> {
    const { module, name = "makePolicy", options } = this.options;
    const calls: Calls = new WorkerCalls("./inference-worker", import.meta.url, { module, name, options });
    this.calls = calls;
    try {
      this.metadata = (await calls.ready) as WireMap;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      await calls.terminate(message);
      this.trouble = `policy could not be built: ${message}`;
      fail({ code: "WORKER_FAILED", what: this.trouble, fix: `look at ${module}`, cause: error });
    }
    if (this.closed) return;
    this.trouble = undefined;
    void calls.ended.then((reason) => this.failed(calls, reason));
  }

  async infer(items: readonly InferenceItem[]): Promise<InferenceBatch> {
    const { calls, trouble } = this;
    if (calls === undefined || trouble !== undefined) return failure(items.length, trouble ?? "closed");
    const timer = setTimeout(
      () => void calls.terminate("inference took longer than its timeout"),
      this.options.timeoutMs ?? 120_000,
    );
    try {
      const batch = await calls.call(
        items,
        items.map(({ bytes }) => bytes.buffer),
      );
      this.restartMs = firstRestartMs;
      return batch;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.failed(calls, message);
      return failure(items.length, `inference worker failed: ${message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  end(session: string): void {
    if (this.trouble === undefined) this.calls?.note(session);
  }

  health(): string | undefined {
    return this.trouble;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.trouble = "closed";
    clearTimeout(this.restart);
    await this.calls?.close();
  }

  private failed(calls: Calls, message: string): void {
    if (this.calls !== calls || this.closed) return;
    this.calls = undefined;
    this.trouble = `inference worker failed: ${message}`;
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

function failure(size: number, message: string): InferenceBatch {
  return {
    results: Array.from({ length: size }, () => ({ error: { code: "WORKER_FAILED", message } })),
    inferMs: 0,
  };
}
