/** @file The worker thread of a vector environment: builds its sub-environments and serves steps and resets on shared memory. */

import type { MessagePort } from "node:worker_threads";
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { asError } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { withEntryPoints } from "../entry-point.ts";
import type { Env, EnvSpec, InfoBatch } from "../env.ts";
import { isEmptyInfos } from "../infos.ts";
import { Registry } from "../registry.ts";
import { rowsOf, viewShared } from "./shared-batch.ts";
import { SyncVectorEnv } from "./sync.ts";
import type {
  Failure,
  FromWorker,
  SharedMemory,
  ToWorker,
  WorkerCall,
  WorkerSetup,
} from "./worker-protocol.ts";
import { command, word } from "./worker-protocol.ts";

/** What a worker steps once the shared memory is attached. */
interface Served {
  readonly vector: SyncVectorEnv;
  readonly actions: unknown;
  readonly mask: NdArray<"bool">;
}

class EnvWorker {
  readonly #setup: WorkerSetup;
  readonly #port: MessagePort;
  readonly #control: Int32Array;
  #spec: EnvSpec | undefined;
  #envs: Env[] = [];
  #served: Served | undefined;
  #failures: Failure[] = [];

  constructor(setup: WorkerSetup) {
    this.#setup = setup;
    this.#port = setup.port;
    this.#control = new Int32Array(setup.control);
  }

  #say(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  async #make(): Promise<Env> {
    this.#spec ??= await withEntryPoints(this.#setup.spec);
    return new Registry().makeAsync(this.#spec, this.#setup.kwargs);
  }

  /** Build the environments, introduce them, then serve until the thread is ended. */
  async run(): Promise<void> {
    const { start, end } = this.#setup;
    for (let row = start; row < end; row++) this.#envs.push(await this.#make());
    const [first] = this.#envs;
    const introduction = {
      observationSpace: first.observationSpace.toJSON(),
      actionSpace: first.actionSpace.toJSON(),
      metadata: structuredClone(first.metadata),
      snapshots: first.snapshot !== undefined,
    };
    this.#say({ kind: "ready", introduction });
    let served = 0;
    Atomics.store(this.#control, word.done, served);
    Atomics.notify(this.#control, word.done);
    for (;;) {
      Atomics.wait(this.#control, word.request, served);
      served = Atomics.load(this.#control, word.request);
      await this.#serve();
      Atomics.store(this.#control, word.done, served);
      Atomics.notify(this.#control, word.done);
    }
  }

  async #serve(): Promise<void> {
    try {
      const asked = Atomics.load(this.#control, word.command);
      if (asked === command.step) this.#step();
      else {
        const message = receiveMessageOnPort(this.#port)!.message as ToWorker;
        if (message.kind === "reset") this.#tell(this.#served!.vector.resetSync(message.options).infos);
        else this.#say({ kind: "answer", value: await this.#call(message.call) });
      }
    } catch (error) {
      this.#failed(-1, asError(error));
    }
    for (const failure of this.#failures) {
      this.#say({ kind: "failure", failure });
      if (failure.row >= 0) this.#served?.vector.replaceEnv(failure.row, await this.#make());
    }
    this.#failures = [];
  }

  #failed(row: number, error: Error): void {
    this.#failures.push({ row, message: error.message, stack: error.stack });
  }

  #tell(infos: InfoBatch): void {
    if (!isEmptyInfos(infos)) this.#say({ kind: "infos", infos });
  }

  #step(): void {
    const { vector, actions, mask } = this.#served!;
    this.#tell(vector.stepSync(actions, mask.data.includes(0) ? mask : undefined).infos);
  }

  async #call(call: WorkerCall): Promise<unknown> {
    switch (call.name) {
      case "attach":
        return this.#attach(call.memory);
      case "snapshot":
        return this.#envs.map((env) => env.snapshot!());
      case "restore":
        this.#envs.forEach((env, i) => env.restore!(call.snapshots[i]));
        return undefined;
      case "render":
        return this.#served!.vector.renderSync(this.#served!.mask);
      case "close":
        return this.#served?.vector.close();
    }
  }

  #attach(memory: SharedMemory): void {
    const { start, end } = this.#setup;
    const [first] = this.#envs;
    this.#served = {
      vector: new SyncVectorEnv(this.#envs, {
        memory: {
          observations: viewShared(first.observationSpace, memory.observations, start, end),
          rewards: rowsOf(memory.rewards, start, end),
          terminations: rowsOf(memory.terminations, start, end),
          truncations: rowsOf(memory.truncations, start, end),
          valid: rowsOf(memory.valid, start, end),
        },
        onFailure: (row, error) => this.#failed(row, error),
      }),
      actions: viewShared(first.actionSpace, memory.actions, start, end),
      mask: rowsOf(memory.mask, start, end),
    };
  }
}

const { data } = workerData as { data: WorkerSetup };
await new EnvWorker(data).run();
