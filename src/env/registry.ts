/** @file Environment ids and specs, and building one environment (`make`) or many (`makeVec`) from an id. */

import { fail, unknownName } from "../core/errors.ts";
import type { AutoresetVectorEnv } from "./autoreset.ts";
import { withAutoreset } from "./autoreset.ts";
import type { AutoresetMode, Env, EnvMaker, EnvSpec, Kwargs, VectorEnv, VectorEnvMaker } from "./env.ts";
import { GuardedEnv } from "./guard.ts";
import type { PartialVectorEnv } from "./vector/partial.ts";
import type { WorkersOptions } from "./vector/workers.ts";

/** How `makeVec` runs its sub-environments. */
export type VectorMode = "sync" | "workers" | "batched";

/** Options of `makeVec`; every other key is a keyword argument of the environment. */
export interface MakeVecOptions {
  /** Default 1. */
  numEnvs?: number;
  /** Default: "batched" where the environment has a batched form, else "sync". */
  mode?: VectorMode;
  /** Default "next-step", as Gymnasium's. */
  autoreset?: AutoresetMode;
  /** Seed of the first reset that gives none itself. */
  seed?: number;
  /** True (default, as Gymnasium's): results may be kept. False: the next call overwrites them, and none is allocated. */
  copy?: boolean;
  /** Truncate episodes after this many steps instead of the spec's; -1: never. */
  maxEpisodeSteps?: number;
  /** Wrappers over the primitive, inside the autoreset; the first is innermost. */
  wrappers?: readonly ((env: VectorEnv) => VectorEnv)[];
  /** Mode "workers": threads; default one per core, at most one per sub-environment. */
  numWorkers?: number;
  /** Mode "workers": what a failing sub-environment or thread does; default "throw". */
  onFailure?: WorkersOptions["onFailure"];
  /** Mode "workers": a thread that does not answer for so long has failed; default 60 s. */
  timeoutMs?: number;
  [kwarg: string]: unknown;
}

/** An id taken apart; `version` and `namespace` are undefined where the id has none. */
export interface ParsedId {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly version: number | undefined;
}

const idPattern = /^(?:([\p{L}\p{N}_:-]+)\/)?([\p{L}\p{N}_:.-]+?)(?:-v(\d+))?$/u;

/** Take an id apart. @throws INVALID_ARGUMENT for a malformed one. @source Gymnasium 1.4 `registration.py` */
export function parseEnvId(id: string): ParsedId {
  const match = idPattern.exec(id);
  if (match === null) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `malformed environment id "${id}"`,
      expected: "[namespace/]name[-vN], e.g. CartPole-v1 or lab/Reach-v0",
      fix: "use letters, digits, _ : . - only",
    });
  }
  return {
    namespace: match[1],
    name: match[2],
    version: match[3] === undefined ? undefined : Number(match[3]),
  };
}

function checkCount(name: string, count: number): void {
  if (Number.isInteger(count) && count > 0) return;
  fail({ code: "INVALID_ARGUMENT", what: `${name} cannot be ${count}`, expected: "a positive integer" });
}

async function load<M>(entryPoint: M | string, id: string): Promise<M> {
  if (typeof entryPoint !== "string") return entryPoint;
  const [module, name] = entryPoint.split("#");
  const loaded = (await import(module)) as Record<string, unknown>;
  const maker = loaded[name];
  if (typeof maker !== "function") {
    fail({
      code: "INVALID_ARGUMENT",
      what: `entry point of "${id}" is not a function`,
      expected: `module ${module} to export a function ${name}`,
      got: `exports ${Object.keys(loaded).join(", ")}`,
      fix: `write it as "module#export"`,
    });
  }
  return maker as M;
}

/** Environment specs by id; `registry` below is the default one, tests make their own. */
export class Registry {
  readonly #specs = new Map<string, EnvSpec>();

  constructor(specs: readonly EnvSpec[] = []) {
    this.registerAll(specs);
  }

  /**
   * Add a spec, or replace the one of the same id.
   * @throws INVALID_ARGUMENT for a malformed id, no entry point, or a versioned beside an unversioned form of a name.
   */
  register(spec: EnvSpec): void {
    const { namespace, name, version } = parseEnvId(spec.id);
    if (spec.entryPoint === undefined && spec.vectorEntryPoint === undefined) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `environment "${spec.id}" has no entry point`,
        expected: "entryPoint, vectorEntryPoint or both",
        fix: 'give a function (kwargs) => env, or "module#export"',
      });
    }
    for (const other of this.#versionsOf(namespace, name)) {
      if ((other.version === undefined) === (version === undefined)) continue;
      fail({
        code: "INVALID_ARGUMENT",
        what: `"${spec.id}" cannot stand beside "${other.id}"`,
        expected: "all ids of one name with a version, or one id without",
        fix: `register it as "${spec.id.replace(/-v\d+$/, "")}-v${(other.version ?? 0) + 1}"`,
      });
    }
    this.#specs.set(spec.id, spec);
  }

  /** `register` of each. */
  registerAll(specs: readonly EnvSpec[]): void {
    for (const spec of specs) this.register(spec);
  }

  /** All ids, sorted. */
  get ids(): string[] {
    return [...this.#specs.keys()].sort();
  }

  /** The spec of `id`; without a version, the newest. @throws UNKNOWN_NAME with the nearest known id. */
  spec(id: string): EnvSpec {
    const exact = this.#specs.get(id);
    if (exact !== undefined) return exact;
    const { namespace, name, version } = parseEnvId(id);
    const versions = this.#versionsOf(namespace, name).sort((a, b) => (b.version ?? 0) - (a.version ?? 0));
    const same = versions.find((known) => version === undefined || known.version === version);
    if (same !== undefined) return this.#specs.get(same.id)!;
    throw unknownName("environment", id, versions.length > 0 ? versions.map((known) => known.id) : this.ids);
  }

  #versionsOf(namespace: string | undefined, name: string): { id: string; version: number | undefined }[] {
    return this.ids
      .map((id) => ({ id, ...parseEnvId(id) }))
      .filter((known) => known.namespace === namespace && known.name === name);
  }

  /**
   * One environment, checked for the order of calls and truncated at its time limit.
   * @throws NOT_SUPPORTED when the environment's module is loaded lazily: use `await makeAsync(id)`.
   */
  make(id: string | EnvSpec, kwargs: Kwargs = {}): Env {
    const spec = typeof id === "string" ? this.spec(id) : id;
    const { maxEpisodeSteps, ...rest } = kwargs as Kwargs & { maxEpisodeSteps?: number };
    const maker = spec.entryPoint;
    const env = typeof maker === "function" ? maker({ ...spec.kwargs, ...rest }) : undefined;
    if (env === undefined || env instanceof Promise) {
      fail({
        code: "NOT_SUPPORTED",
        what: `make("${spec.id}") of an environment ${maker === undefined ? "that has only a vector form" : "that loads lazily"}`,
        fix:
          maker === undefined
            ? `use await makeVec("${spec.id}", { numEnvs })`
            : `use await makeAsync("${spec.id}")`,
      });
    }
    return this.#guard(env, spec, kwargs, maxEpisodeSteps);
  }

  /** `make` for every kind of entry point, lazily imported ones included. */
  async makeAsync(id: string | EnvSpec, kwargs: Kwargs = {}): Promise<Env> {
    const spec = typeof id === "string" ? this.spec(id) : id;
    if (spec.entryPoint === undefined) return this.make(spec, kwargs);
    const { maxEpisodeSteps, ...rest } = kwargs as Kwargs & { maxEpisodeSteps?: number };
    const maker = await load<EnvMaker>(spec.entryPoint, spec.id);
    return this.#guard(await maker({ ...spec.kwargs, ...rest }), spec, kwargs, maxEpisodeSteps);
  }

  /**
   * `numEnvs` environments stepped together.
   *
   * Inside out: the primitive (batched form, or N single environments), `wrappers`, the autoreset mode, the copy.
   * @throws NOT_SUPPORTED for mode "batched" of an environment without a batched form
   */
  async makeVec(id: string | EnvSpec, options: MakeVecOptions = {}): Promise<AutoresetVectorEnv> {
    const spec = typeof id === "string" ? this.spec(id) : id;
    checkCount("numEnvs", options.numEnvs ?? 1);
    const {
      numEnvs = 1,
      mode,
      autoreset = "next-step",
      copy = true,
      seed,
      wrappers = [],
      ...kwargs
    } = options;
    const chosen = mode ?? (spec.vectorEntryPoint === undefined ? "sync" : "batched");
    let env = await this.#primitive(spec, chosen, { ...spec.kwargs, ...kwargs, numEnvs });
    for (const wrap of wrappers) env = wrap(env);
    return withAutoreset(env, autoreset, {
      copy,
      firstSeed: seed,
      spec: { ...spec, kwargs: { ...spec.kwargs, ...kwargs } },
      remake: () => this.makeVec(spec, options),
    });
  }

  /**
   * `numEnvs` sub-environments in groups of `batchSize` that are stepped independently: `send` actions to one group,
   * `recv` whichever is ready first. In mode "workers" (the default) every group has a thread of its own.
   * @throws INVALID_ARGUMENT unless batchSize divides numEnvs
   */
  async makePartialVec(
    id: string | EnvSpec,
    options: MakeVecOptions & { batchSize: number },
  ): Promise<PartialVectorEnv> {
    const { numEnvs = 1, batchSize, seed: _perGroup, ...rest } = options;
    checkCount("batchSize", batchSize);
    if (numEnvs % batchSize !== 0) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "groups of unequal size",
        expected: "batchSize to divide numEnvs",
        got: `${numEnvs} / ${batchSize}`,
      });
    }
    const { PartialVectorEnv } = await import("./vector/partial.ts");
    const group = (): Promise<VectorEnv> =>
      this.makeVec(id, { mode: "workers", numWorkers: 1, ...rest, numEnvs: batchSize });
    return new PartialVectorEnv(await Promise.all(Array.from({ length: numEnvs / batchSize }, group)));
  }

  async #primitive(
    spec: EnvSpec,
    mode: VectorMode,
    kwargs: Kwargs & { numEnvs: number },
  ): Promise<VectorEnv> {
    if (mode === "batched") {
      if (spec.vectorEntryPoint === undefined) {
        fail({
          code: "NOT_SUPPORTED",
          what: `mode "batched" of "${spec.id}", which has no batched form`,
          expected: `mode "sync" or "workers"`,
          fix: "leave mode out to get the best one that exists",
        });
      }
      const maker = await load<VectorEnvMaker>(spec.vectorEntryPoint, spec.id);
      return maker({ maxEpisodeSteps: spec.maxEpisodeSteps, ...kwargs });
    }
    const { numEnvs, numWorkers, onFailure, timeoutMs, ...rest } = kwargs as typeof kwargs &
      Partial<WorkersOptions>;
    if (mode === "workers") {
      const { makeWorkersVectorEnv } = await import("./vector/workers.ts");
      return makeWorkersVectorEnv(spec, {
        numEnvs,
        numWorkers,
        onFailure,
        timeoutMs,
        kwargs: rest,
      });
    }
    const { SyncVectorEnv } = await import("./vector/sync.ts");
    const envs: Env[] = [];
    for (let i = 0; i < numEnvs; i++) envs.push(await this.makeAsync(spec, rest));
    return new SyncVectorEnv(envs);
  }

  #guard(env: Env, spec: EnvSpec, kwargs: Kwargs, limit: number | undefined): Env {
    const steps = limit ?? spec.maxEpisodeSteps;
    const own = { ...spec, kwargs: { ...spec.kwargs, ...kwargs } };
    return new GuardedEnv(env, { maxEpisodeSteps: steps === -1 ? undefined : steps, spec: own });
  }
}

/** The default registry: what the package's `register`, `make` and `makeVec` use. */
export const registry = new Registry();
