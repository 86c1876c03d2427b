/** @file What parent and worker of a vector environment say to each other: shared words, and messages beside them. */

import type { MessagePort } from "node:worker_threads";
import type { SpaceJSON } from "../../core/spaces/space.ts";
import type { EnvMetadata, EnvSpec, InfoBatch, Kwargs, Snapshot, VectorResetOptions } from "../env.ts";
import type { SharedArray } from "./shared-batch.ts";

/** Words of the control block of one worker. */
export const word = { request: 0, done: 1, command: 2 } as const;

/** Number of words of a control block. */
export const controlWords = 4;

/** Commands. Steps have no message; resets and calls bring one along. */
export const command = { step: 1, reset: 2, call: 3 } as const;

/** How to build one sub-environment in a worker: a spec that survives structured clone. */
export interface WorkerSpec {
  readonly spec: Omit<EnvSpec, "vectorEntryPoint" | "entryPoint"> & { readonly entryPoint?: string };
  readonly kwargs: Kwargs;
}

/** What a worker is started with. */
export interface WorkerSetup extends WorkerSpec {
  readonly port: MessagePort;
  readonly control: SharedArrayBuffer;
  readonly start: number;
  readonly end: number;
}

/** The memory that all workers share. */
export interface SharedMemory {
  readonly observations: readonly SharedArray[];
  readonly actions: readonly SharedArray[];
  readonly rewards: SharedArray & { readonly dtype: "float64" };
  readonly terminations: SharedArray & { readonly dtype: "bool" };
  readonly truncations: SharedArray & { readonly dtype: "bool" };
  readonly valid: SharedArray & { readonly dtype: "bool" };
  readonly mask: SharedArray & { readonly dtype: "bool" };
}

/** What a sub-environment's failure looked like. */
export interface Failure {
  readonly row: number;
  readonly message: string;
  readonly stack: string | undefined;
}

/** Calls with an answer. */
export type WorkerCall =
  | { readonly name: "attach"; readonly memory: SharedMemory }
  | { readonly name: "snapshot" }
  | { readonly name: "restore"; readonly snapshots: readonly Snapshot[] }
  | { readonly name: "render" }
  | { readonly name: "close" };

/** Parent to worker. */
export type ToWorker =
  | { readonly kind: "reset"; readonly options: VectorResetOptions }
  | { readonly kind: "call"; readonly call: WorkerCall };

/** What the parent learns of a worker's environments. */
export interface Introduction {
  readonly observationSpace: SpaceJSON;
  readonly actionSpace: SpaceJSON;
  readonly metadata: EnvMetadata;
  readonly snapshots: boolean;
}

/** Worker to parent, before it reports a command as done. */
export type FromWorker =
  | { readonly kind: "ready"; readonly introduction: Introduction }
  | { readonly kind: "infos"; readonly infos: InfoBatch }
  | { readonly kind: "failure"; readonly failure: Failure }
  | { readonly kind: "answer"; readonly value: unknown };
