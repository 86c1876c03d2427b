/** @file Vector-environment batches as messages and back: the words of the env wire. */

import { fail } from "../../core/errors.ts";
import { isNdArray, type NdArray, zeros } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type {
  AutoresetMode,
  EnvMetadata,
  Frame,
  InfoBatch,
  InfoColumn,
  ObservationBatch,
  ResetBatch,
  StepBatch,
  VectorResetOptions,
} from "../../env/env.ts";
import { isWireMap, type WireMap, type WireValue } from "../codec.ts";
import { copyRows, pickRows } from "./rows.ts";

type Mask = NdArray<"bool">;

/** What a learner asks for when it opens an environment. */
export interface OpenRequest {
  /** Which of the server's environments; undefined for its only one. */
  readonly id: string | undefined;
  readonly numEnvs: number;
  /** Where rows are reset: on the server in one of Gymnasium's modes, or "disabled" for the primitive. */
  readonly autoreset: AutoresetMode;
  /** Keyword arguments of the environment's maker: from a stranger, so validate them. */
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** What a server says of an environment that it opened. */
export interface EnvFacts {
  readonly numEnvs: number;
  /** JSON forms of the single spaces. */
  readonly observationSpace: unknown;
  readonly actionSpace: unknown;
  readonly metadata: EnvMetadata;
  readonly renders: boolean;
}

const autoresetModes: readonly unknown[] = ["disabled", "next-step", "same-step"];

/** Read an open request. @throws PROTOCOL */
export function parseOpen({ env_id, num_envs = 1, autoreset = "disabled", kwargs }: WireMap): OpenRequest {
  if (env_id !== undefined && env_id !== null && typeof env_id !== "string") wrong("env_id", "text", env_id);
  if (typeof num_envs !== "number" || !Number.isInteger(num_envs) || num_envs < 1)
    wrong("num_envs", "a whole number from 1", num_envs);
  if (!autoresetModes.includes(autoreset)) wrong("autoreset", autoresetModes.join(", "), autoreset);
  if (kwargs !== undefined && kwargs !== null && !isWireMap(kwargs)) wrong("kwargs", "a map", kwargs);
  return {
    id: env_id ?? undefined,
    numEnvs: num_envs,
    autoreset: autoreset as AutoresetMode,
    kwargs: kwargs ?? {},
  };
}

/** Facts of an environment as a map. */
export function factsToWire(facts: EnvFacts): WireMap {
  const { renderModes, renderFps, autoreset, sharedGenerator } = facts.metadata;
  return {
    num_envs: facts.numEnvs,
    observation_space: facts.observationSpace as WireValue,
    action_space: facts.actionSpace as WireValue,
    metadata: {
      render_modes: renderModes,
      render_fps: renderFps,
      autoreset,
      shared_generator: sharedGenerator,
    },
    renders: facts.renders,
  };
}

/** Facts of an environment from a map. @throws PROTOCOL */
export function factsFromWire(map: WireMap): EnvFacts {
  const { num_envs, metadata, renders } = map;
  if (typeof num_envs !== "number" || !isWireMap(metadata))
    return wrong("num_envs, metadata", "a number and a map", map);
  return {
    numEnvs: num_envs,
    observationSpace: map.observation_space,
    actionSpace: map.action_space,
    metadata: {
      renderModes: (metadata.render_modes ?? []) as string[],
      renderFps: metadata.render_fps as number | undefined,
      autoreset: metadata.autoreset as AutoresetMode,
      sharedGenerator: metadata.shared_generator as boolean | undefined,
    },
    renders: renders === true,
  };
}

/** Reset options as the body of a request. */
export function resetToWire({ seed, options, mask }: VectorResetOptions): WireMap {
  return { seed, options: options as WireValue, mask };
}

/** Reset options from the body of a request. @throws PROTOCOL */
export function resetFromWire({ seed, options, mask }: WireMap): VectorResetOptions {
  const one = typeof seed === "number";
  const many = Array.isArray(seed) && seed.every((item) => item === null || typeof item === "number");
  if (seed !== undefined && seed !== null && !one && !many)
    wrong("seed", "a number, or one per sub-environment", seed);
  if (options !== undefined && options !== null && !isWireMap(options)) wrong("options", "a map", options);
  const seeds = many ? (seed as (number | null)[]).map((item) => item ?? undefined) : undefined;
  return { seed: one ? seed : seeds, options: options ?? undefined, mask: maskFromWire(mask) };
}

/** A mask, or undefined for all rows. @throws PROTOCOL */
export function maskFromWire(mask: WireValue): Mask | undefined {
  if (mask === undefined || mask === null) return undefined;
  if (isNdArray(mask) && mask.dtype === "bool" && mask.shape.length === 1) return mask as Mask;
  return wrong("mask", "a bool array [num_envs]", mask);
}

/** A reset's result as a map. */
export function resetResultToWire({ observations, infos }: ResetBatch): WireMap {
  return { observations, infos: infosToWire(infos) };
}

/** A reset's result from a map. */
export function resetResultFromWire(map: WireMap): ResetBatch {
  return { observations: map.observations as ObservationBatch, infos: infosFromWire(map.infos) };
}

/** A step's result as a map; of the final observations only the rows that count. */
export function stepToWire(space: Space, batch: StepBatch): WireMap {
  const { observations, rewards, terminations, truncations, valid, infos } = batch;
  const step = { observations, rewards, terminations, truncations, valid, infos: infosToWire(infos) };
  const rows = rowsOf(batch.finalMask);
  if (rows.length === 0 || batch.finalObservations === undefined) return step;
  return {
    ...step,
    final_observations: pickRows(space, batch.finalObservations, rows),
    final_mask: batch.finalMask,
    final_infos: infosToWire(batch.finalInfos ?? {}),
  };
}

/** A step's result from a map. @throws PROTOCOL when a column is missing or no array */
export function stepFromWire(space: Space, mode: AutoresetMode, map: WireMap): StepBatch {
  const batch: StepBatch = {
    observations: map.observations as ObservationBatch,
    rewards: column(map, "rewards") as StepBatch["rewards"],
    terminations: column(map, "terminations") as Mask,
    truncations: column(map, "truncations") as Mask,
    valid: column(map, "valid") as Mask,
    infos: infosFromWire(map.infos),
  };
  return mode === "same-step" ? { ...batch, ...finalsFromWire(space, batch.valid.data.length, map) } : batch;
}

function finalsFromWire(space: Space, numEnvs: number, map: WireMap): Partial<StepBatch> {
  const finalObservations = space.createEmpty(numEnvs) as ObservationBatch;
  if (map.final_mask === undefined) {
    return { finalObservations, finalMask: zeros("bool", [numEnvs]), finalInfos: {} };
  }
  const finalMask = column(map, "final_mask") as Mask;
  const to = rowsOf(finalMask);
  copyRows(space, finalObservations, map.final_observations as ObservationBatch, {
    to,
    from: to.map((_, i) => i),
  });
  return { finalObservations, finalMask, finalInfos: infosFromWire(map.final_infos) };
}

function rowsOf(mask: Mask | undefined): number[] {
  const rows: number[] = [];
  mask?.data.forEach((chosen, i) => chosen !== 0 && rows.push(i));
  return rows;
}

/** Rendered frames as a map; sub-environments without one are nil. */
export function framesToWire(frames: readonly (Frame | undefined)[]): WireMap {
  return { frames: frames.map((frame) => frame ?? null) };
}

/** Rendered frames from a map. */
export function framesFromWire({ frames }: WireMap): (Frame | undefined)[] {
  if (!Array.isArray(frames)) return wrong("frames", "a list", frames);
  return (frames as WireValue[]).map((frame) => (isNdArray(frame) ? (frame as Frame) : undefined));
}

function infosToWire(infos: InfoBatch): WireMap {
  const out: WireMap = {};
  for (const [name, { values, mask }] of Object.entries(infos)) {
    const nested = !isNdArray(values) && !Array.isArray(values);
    out[name] = { values: nested ? infosToWire(values as InfoBatch) : (values as WireValue), mask };
  }
  return out;
}

function infosFromWire(value: WireValue): InfoBatch {
  if (!isWireMap(value)) return wrong("infos", "a map of columns", value);
  const out: Record<string, InfoColumn> = {};
  for (const [name, info] of Object.entries(value)) {
    if (!isWireMap(info) || !isNdArray(info.mask))
      return wrong(`infos.${name}`, "a column with a mask", info);
    const { values, mask } = info as { values: WireValue; mask: Mask };
    const list = Array.isArray(values);
    out[name] = {
      values: list
        ? (values as WireValue[]).map((item, i) => (mask.data[i] === 0 ? undefined : item))
        : isNdArray(values)
          ? values
          : infosFromWire(values),
      mask,
    };
  }
  return out;
}

function column(map: WireMap, name: string): NdArray {
  const value = map[name];
  return isNdArray(value) ? value : wrong(name, "an array", value);
}

function wrong(key: string, expected: string, value: WireValue): never {
  fail({
    code: "PROTOCOL",
    what: `key "${key}" of the message is wrong`,
    expected,
    got: value === null ? "nil" : typeof value,
  });
}
