/** @file Environment ids and specs, and building one environment (`make`) or many (`makeVec`) from an id. */

import { fail, unknownName } from "../core/errors.ts";
import type { AutoresetVectorEnv } from "./autoreset.ts";
import { autoresetModes, withAutoreset } from "./autoreset.ts";
import { borrowEntryPoints, loadEntryPoint, withEntryPoints } from "./entry-point.ts";
import { parseEnvId } from "./env-id.ts";
import type { AutoresetMode, Env, EnvMaker, EnvSpec, Kwargs, VectorEnv, VectorEnvMaker } from "./env.ts";
import { GuardedEnv } from "./guard.ts";
import { checkCount, checkKwargs, checkRenderMode, checkWord } from "./kwargs.ts";
import type { PartialVectorEnv } from "./vector/partial.ts";
import type { WorkersOptions } from "./vector/workers.ts";

const vectorModes = ["sync", "workers", "batched"] as const;

/** How `makeVec` runs its sub-environments. */
export type VectorMode = (typeof vectorModes)[number];

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

/** The names of `MakeVecOptions`; whatever else is given is a keyword argument of the environment. */
const vectorOptions = "numEnvs mode autoreset seed copy wrappers numWorkers onFailure timeoutMs".split(" ");

/** The spec of an environment made with `kwargs`: making it from that spec makes the same. */
function specWith(spec: EnvSpec, kwargs: Kwargs): EnvSpec {
  const { maxEpisodeSteps = spec.maxEpisodeSteps, ...rest } = kwargs as { maxEpisodeSteps?: number };
  const limit = maxEpisodeSteps === -1 ? undefined : maxEpisodeSteps;
  return { ...spec, maxEpisodeSteps: limit, kwargs: { ...spec.kwargs, ...rest } };
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

  /** The spec that an id or a spec means: one without entry points (it was JSON) has those of the known one. */
  #resolve(id: string | EnvSpec): EnvSpec {
    return typeof id === "string" ? this.spec(id) : borrowEntryPoints(id, this.#specs.get(id.id));
  }

  /**
   * One environment, checked for the order of calls and truncated at its time limit.
   * @throws UNKNOWN_NAME for an id or a keyword argument that is not known
   * @throws NOT_SUPPORTED when the environment's module is loaded lazily: use `await makeAsync(id)`.
   */
  make(id: string | EnvSpec, kwargs: Kwargs = {}): Env {
    const spec = this.#resolve(id);
    checkKwargs(spec, kwargs);
    const { maxEpisodeSteps: _limit, ...rest } = kwargs;
    const maker = spec.entryPoint;
    const env = typeof maker === "function" ? maker({ ...spec.kwargs, ...rest }) : undefined;
    if (env !== undefined && !(env instanceof Promise)) return this.#guard(env, spec, kwargs);
    const batched = maker === undefined && spec.vectorEntryPoint !== undefined;
    return fail({
      code: "NOT_SUPPORTED",
      what: `make("${spec.id}") of an environment ${batched ? "that has only a vector form" : "that loads lazily"}`,
      fix: batched ? `use await makeVec("${spec.id}", { numEnvs })` : `use await makeAsync("${spec.id}")`,
    });
  }

  /** `make` for every kind of entry point, lazily imported ones included. */
  async makeAsync(id: string | EnvSpec, kwargs: Kwargs = {}): Promise<Env> {
    const spec = await withEntryPoints(this.#resolve(id), this.ids);
    if (spec.entryPoint === undefined) return this.make(spec, kwargs);
    checkKwargs(spec, kwargs);
    const { maxEpisodeSteps: _limit, ...rest } = kwargs;
    const maker = await loadEntryPoint<EnvMaker>(spec.entryPoint, spec.id);
    return this.#guard(await maker({ ...spec.kwargs, ...rest }), spec, kwargs);
  }

  /**
   * `numEnvs` environments stepped together.
   *
   * Inside out: the primitive (batched form, or N single environments), `wrappers`, the autoreset mode, the copy.
   * @throws NOT_SUPPORTED for mode "batched" of an environment without a batched form
   * @throws UNKNOWN_NAME for an id, a mode, an option or a keyword argument that is not known
   */
  async makeVec(id: string | EnvSpec, options: MakeVecOptions = {}): Promise<AutoresetVectorEnv> {
    const spec = await withEntryPoints(this.#resolve(id), this.ids);
    checkCount("numEnvs", options.numEnvs ?? 1);
    checkWord("mode of makeVec", options.mode ?? "sync", vectorModes);
    checkWord("autoreset mode", options.autoreset ?? "disabled", autoresetModes);
    checkKwargs(spec, options, vectorOptions);
    const { numEnvs = 1, mode, autoreset = "next-step", copy = true, seed, wrappers = [], ...more } = options;
    const { numWorkers, onFailure, timeoutMs, ...kwargs } = more;
    const chosen = mode ?? (spec.vectorEntryPoint === undefined ? "sync" : "batched");
    const workers = { numEnvs, numWorkers, onFailure, timeoutMs };
    let env = await this.#primitive(spec, chosen, { ...workers, kwargs: { ...spec.kwargs, ...kwargs } });
    checkRenderMode(spec, kwargs, env.metadata);
    for (const wrap of wrappers) env = wrap(env);
    return withAutoreset(env, autoreset, {
      copy,
      firstSeed: seed,
      spec: specWith(spec, kwargs),
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
    options: WorkersOptions & { kwargs: Kwargs },
  ): Promise<VectorEnv> {
    const { numEnvs, kwargs } = options;
    if (mode === "batched") {
      if (spec.vectorEntryPoint === undefined) {
        fail({
          code: "NOT_SUPPORTED",
          what: `mode "batched" of "${spec.id}", which has no batched form`,
          expected: `mode "sync" or "workers"`,
          fix: "leave mode out to get the best one that exists",
        });
      }
      const maker = await loadEntryPoint<VectorEnvMaker>(spec.vectorEntryPoint, spec.id);
      return maker({ maxEpisodeSteps: spec.maxEpisodeSteps, ...kwargs, numEnvs });
    }
    if (mode === "workers") {
      const { makeWorkersVectorEnv } = await import("./vector/workers.ts");
      return makeWorkersVectorEnv(specWith(spec, kwargs), options);
    }
    const { SyncVectorEnv } = await import("./vector/sync.ts");
    const envs: Env[] = [];
    for (let i = 0; i < numEnvs; i++) envs.push(await this.makeAsync(spec, kwargs));
    return new SyncVectorEnv(envs);
  }

  #guard(env: Env, spec: EnvSpec, kwargs: Kwargs): Env {
    checkRenderMode(spec, kwargs, env.metadata);
    const own = specWith(spec, kwargs);
    return new GuardedEnv(env, { maxEpisodeSteps: own.maxEpisodeSteps, spec: own });
  }
}

/** The default registry: what the package's `register`, `make` and `makeVec` use. */
export const registry = new Registry();
