/** @file The parent's hold on one worker thread of a vector environment. */

import type { Worker } from "node:worker_threads";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { fail, ReverieError } from "../../core/errors.ts";
import type { InfoBatch, VectorResetOptions } from "../env.ts";
import { startEnvWorker } from "./start-worker.ts";
import type {
  Failure,
  FromWorker,
  Introduction,
  WorkerCall,
  WorkerSetup,
  WorkerSpec,
} from "./worker-protocol.ts";
import { command, controlWords, word } from "./worker-protocol.ts";

type Waiting =
  | { readonly async: false; readonly value: string }
  | { readonly async: true; readonly value: Promise<string> };
const shared = Atomics as unknown as {
  waitAsync(words: Int32Array, index: number, value: number, timeoutMs?: number): Waiting;
};

/** What came of a command. */
export interface Outcome {
  infos: InfoBatch | undefined;
  answer: unknown;
  /** Rows counted from 0 within the vector environment; -1: the whole command failed. */
  readonly failures: Failure[];
  /** The thread ended or did not answer in time. */
  died: ReverieError | undefined;
}

/** One worker thread with rows [start, end). */
export class WorkerHandle {
  readonly start: number;
  readonly end: number;
  readonly #worker: Worker;
  readonly #port: MessageChannel["port1"];
  readonly #control: Int32Array;
  /** How long to wait for an answer. */
  timeoutMs: number;
  #requested = 0;
  #death: ReverieError | undefined;
  #closing = false;
  readonly #exited: Promise<void>;

  constructor(spec: WorkerSpec, rows: readonly [start: number, end: number], timeoutMs: number) {
    [this.start, this.end] = rows;
    this.timeoutMs = timeoutMs;
    const { port1, port2 } = new MessageChannel();
    const control = new SharedArrayBuffer(4 * controlWords);
    this.#port = port1;
    this.#control = new Int32Array(control);
    // -1: not yet ready; the worker sets it to 0.
    this.#control[word.done] = -1;
    const setup: WorkerSetup = { ...spec, port: port2, control, start: this.start, end: this.end };
    this.#worker = startEnvWorker(setup, [port2]);
    this.#worker.on("error", (error) => this.#die(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.once("exit", (code) => {
        this.#die(new Error(`the thread ended with exit code ${code}`));
        resolve();
      });
    });
  }

  get alive(): boolean {
    return this.#death === undefined;
  }

  get #name(): string {
    return `the worker of sub-environments ${this.start} to ${this.end - 1}`;
  }

  /** Note the end of the thread and wake whoever waits for it. */
  #die(cause: Error): void {
    if (this.#death !== undefined) return;
    this.#death = this.#closing
      ? new ReverieError({ code: "ENV_CLOSED", what: `${this.#name} was closed during a call`, cause })
      : new ReverieError({
          code: "WORKER_FAILED",
          what: `${this.#name} died: ${cause.message}`,
          fix: `reset those sub-environments to start it anew, or make the environment with onFailure: "restart"`,
          cause,
        });
    Atomics.store(this.#control, word.done, this.#requested);
    Atomics.notify(this.#control, word.done);
  }

  /** Wait until the environments are built. @throws WORKER_FAILED when they cannot be */
  async introduction(): Promise<Introduction> {
    const outcome = await this.outcome();
    if (outcome.died !== undefined) throw outcome.died;
    return outcome.answer as Introduction;
  }

  requestStep(): void {
    this.#request(command.step);
  }

  requestReset(options: VectorResetOptions): void {
    this.#port.postMessage({ kind: "reset", options });
    this.#request(command.reset);
  }

  requestCall(call: WorkerCall): void {
    this.#port.postMessage({ kind: "call", call });
    this.#request(command.call);
  }

  #request(code: number): void {
    if (!this.alive) return;
    this.#requested += 1;
    Atomics.store(this.#control, word.command, code);
    Atomics.store(this.#control, word.request, this.#requested);
    Atomics.notify(this.#control, word.request);
  }

  /** The outcome of the last request, once it is there; before any request, the introduction. */
  async outcome(): Promise<Outcome> {
    await this.#settled();
    return this.#collect();
  }

  /** Until the last request is done with. */
  async #settled(): Promise<void> {
    const previous = this.#requested - 1;
    this.#worker.ref();
    while (this.alive && Atomics.load(this.#control, word.done) === previous) {
      const waiting = shared.waitAsync(this.#control, word.done, previous, this.timeoutMs);
      const woken = waiting.async ? await waiting.value : waiting.value;
      if (woken === "timed-out") await this.#giveUp();
    }
    this.#worker.unref();
  }

  /** The outcome of the last request, blocking this thread. */
  outcomeNow(): Outcome {
    const previous = this.#requested - 1;
    while (this.alive && Atomics.load(this.#control, word.done) === previous) {
      if (Atomics.wait(this.#control, word.done, previous, this.timeoutMs) === "timed-out")
        void this.#giveUp();
    }
    return this.#collect();
  }

  async #giveUp(): Promise<void> {
    const seconds = this.timeoutMs / 1000;
    this.#die(new Error(`no answer within ${seconds} s; it was ended`));
    await this.#worker.terminate();
  }

  #collect(): Outcome {
    const outcome: Outcome = { infos: undefined, answer: undefined, failures: [], died: this.#death };
    for (
      let next = receiveMessageOnPort(this.#port);
      next !== undefined;
      next = receiveMessageOnPort(this.#port)
    ) {
      const message = next.message as FromWorker;
      if (message.kind === "infos") outcome.infos = message.infos;
      else if (message.kind === "failure") outcome.failures.push(this.#placed(message.failure));
      else outcome.answer = message.kind === "ready" ? message.introduction : message.value;
    }
    return outcome;
  }

  #placed(failure: Failure): Failure {
    return failure.row < 0 ? failure : { ...failure, row: failure.row + this.start };
  }

  /** Let the environments close. What is under way comes first: asked before, it would seem to be done when the closing is. */
  async #finish(): Promise<void> {
    await this.#settled();
    this.requestCall({ name: "close" });
    await this.#settled();
  }

  /** End the thread; settles when it is gone. A call under way has a second to end. */
  async close(): Promise<void> {
    if (this.alive && !this.#closing) {
      await Promise.race([this.#finish(), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    }
    this.#closing = true;
    this.#port.close();
    await this.#worker.terminate();
    await this.#exited;
  }
}

/** The error of a sub-environment that failed in a worker. */
export function failureError({ row, message, stack }: Failure): never {
  const cause = new Error(message);
  cause.stack = stack;
  return fail({
    code: "WORKER_FAILED",
    what: row < 0 ? `a worker failed: ${message}` : `sub-environment ${row} failed: ${message}`,
    fix:
      row < 0
        ? "see the cause"
        : `it was replaced: reset it with reset({ mask }), or use onFailure: "restart" to go on without a stop`,
    cause,
  });
}
