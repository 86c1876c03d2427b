/** @file Calling a worker thread and awaiting its answers; when it dies, every open call is told. */

import type { Worker } from "node:worker_threads";
import { startWorker } from "./worker.ts";

/** What the worker is started with beside its own data. */
export interface WorkerStart<Data> {
  readonly data: Data;
  /** Int32: counts what was posted. The idle worker waits on it, which wakes it sooner than its event loop would. */
  readonly bell: SharedArrayBuffer;
}

/** What the worker posts. */
export type FromWorker<Answer> =
  | { readonly type: "ready"; readonly facts: unknown }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "answer"; readonly id: number; readonly answer: Answer };

/** What the worker receives: calls with an id, notes without, and the request to end. */
export type ToWorker<Call, Note> =
  | { readonly type: "call"; readonly id: number; readonly call: Call }
  | { readonly type: "note"; readonly note: Note }
  | { readonly type: "close" };

interface Open<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread that answers calls. */
export class WorkerCalls<Call, Answer, Note = never> {
  /** Resolves with what the worker said of itself; rejects when it could not start. */
  readonly ready: Promise<unknown>;
  /** Resolves with the reason when the thread has ended, whatever the cause. */
  readonly ended: Promise<string>;
  private readonly worker: Worker;
  private readonly bell = new Int32Array(new SharedArrayBuffer(4));
  private readonly open = new Map<number, Open<Answer>>();
  private nextId = 0;
  private reason: string | undefined;

  constructor(name: string, base: string, data: unknown) {
    const start: WorkerStart<unknown> = { data, bell: this.bell.buffer };
    this.worker = startWorker(name, base, start);
    let cause: string | undefined;
    this.ready = new Promise((resolve, reject) => {
      this.worker.on("message", (message: FromWorker<Answer>) => {
        if (message.type === "ready") resolve(message.facts);
        else if (message.type === "failed") reject(new Error((cause = message.message)));
        else this.answered(message.id, message.answer);
      });
      this.worker.on("error", (error) => {
        cause = error.message;
        reject(error);
      });
      this.worker.on("exit", (code) => reject(new Error(`worker exited with ${code}`)));
    });
    this.ready.catch(() => undefined);
    this.ended = new Promise((resolve) => {
      this.worker.on("exit", (code) => resolve(this.fail(cause ?? `worker exited with ${code}`)));
    });
  }

  /** Ask; buffers in `transfer` move to the worker. Rejects when the thread ends first. */
  call(call: Call, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    if (this.reason !== undefined) return Promise.reject(new Error(this.reason));
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      this.open.set(id, { resolve, reject });
      this.post({ type: "call", id, call }, transfer);
    });
  }

  /** Tell without an answer. */
  note(note: Note): void {
    this.post({ type: "note", note });
  }

  /** End the thread now; open calls reject with `reason`. */
  async terminate(reason: string): Promise<void> {
    this.fail(reason);
    await this.worker.terminate();
  }

  /** Let the worker close what it holds, and end it after a second at the latest. */
  async close(): Promise<void> {
    this.fail("closed");
    const timer = setTimeout(() => void this.worker.terminate(), 1000);
    this.post({ type: "close" });
    await this.ended;
    clearTimeout(timer);
  }

  private post(message: ToWorker<Call, Note>, transfer: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer);
    Atomics.add(this.bell, 0, 1);
    Atomics.notify(this.bell, 0);
  }

  private answered(id: number, answer: Answer): void {
    const open = this.open.get(id);
    this.open.delete(id);
    open?.resolve(answer);
  }

  private fail(reason: string): string {
    this.reason ??= reason;
    for (const { reject } of this.open.values()) reject(new Error(this.reason));
    this.open.clear();
    return this.reason;
  }
}
