/** @file Any vectorized environment of one, a simulator or a dream, as a world to be driven from the keyboard. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { isNdArray, ndarray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Discrete } from "../../core/spaces/discrete.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { Binding } from "./play-keys.ts";
import type { Pixels } from "./play-screen.ts";
import type { PlayStep, PlayWorld } from "./play.ts";

type Infos = Readonly<Record<string, { readonly values: unknown; readonly mask: NdArray<"bool"> }>>;

/** What play needs of a `VectorEnv` whose rows are reset by hand. */
export interface PlayableEnv {
  readonly singleActionSpace: Space;
  readonly metadata: { readonly renderFps?: number };
  reset(options: { seed: number }): Promise<{ readonly observations: unknown; readonly infos: Infos }>;
  step(actions: NdArray): Promise<{
    readonly observations: unknown;
    readonly rewards: NdArray;
    readonly terminations: NdArray;
    readonly truncations: NdArray;
    readonly infos: Infos;
  }>;
  render?(): Promise<readonly (NdArray | undefined)[]>;
  close(): Promise<void>;
}

/** How to show and steer it. */
export interface PlayWorldOptions {
  readonly title: string;
  /** Names of the action's components; numbered unless given. */
  readonly actionNames?: readonly string[];
  readonly bindings?: readonly Binding[];
  /** Seconds per step; by the environment's frame rate unless given. */
  readonly stepSeconds?: number;
  /** Line beneath the picture from the step's facts; every number among them unless given. */
  readonly note?: (facts: Readonly<Record<string, number>>) => string;
}

const shownFacts = 4;

/** Every fact about row 0 that is one number. */
function factsOf(infos: Infos): Record<string, number> {
  const facts: Record<string, number> = {};
  for (const [name, { values, mask }] of Object.entries(infos)) {
    const list: unknown = isNdArray(values) ? (values.shape.length === 1 ? values.data : undefined) : values;
    const value: unknown = (list as ArrayLike<unknown> | undefined)?.[0];
    if (mask.data[0] !== 0 && typeof value === "number") facts[name] = value;
  }
  return facts;
}

function plainNote(facts: Readonly<Record<string, number>>): string {
  return Object.entries(facts)
    .slice(0, shownFacts)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`)
    .join("  ");
}

function pixelsOf(array: unknown): Pixels | undefined {
  if (!isNdArray(array) || array.dtype !== "uint8" || array.shape.at(-1) !== 3) return undefined;
  const [height, width] = array.shape.slice(-3);
  return { height, width, data: array.data.subarray(0, height * width * 3) as Uint8Array };
}

/** The rendered picture, or the observed one. @throws NOT_SUPPORTED when there is none */
async function frameOf(env: PlayableEnv, observations: unknown): Promise<Pixels> {
  const rendered = pixelsOf((await env.render?.())?.[0]);
  const observed = pixelsOf(observations) ?? pixelsOf((observations as { frame?: unknown }).frame);
  return (
    rendered ??
    observed ??
    fail({
      code: "NOT_SUPPORTED",
      what: "this environment shows no picture",
      expected: "render() or an observed frame, uint8 [H, W, 3]",
    })
  );
}

/** From keys in [-1, 1] to an action of the space, batched by one. */
function actionMaker(space: Space): { size: number; make: (keys: Float32Array) => NdArray } {
  if (space instanceof Discrete) {
    const { n, start } = space;
    let last = 0;
    const choose = (key: number): number =>
      key === 0 && n % 2 === 0 ? last : Math.round(((key + 1) / 2) * (n - 1));
    return { size: 1, make: ([key]) => ndarray("int32", [1], Int32Array.of(start + (last = choose(key)))) };
  }
  if (space instanceof Box && space.shape.length === 1) {
    const [size] = space.shape;
    const low = Array.from(space.low.data, (bound) => Math.max(Number(bound), -1e6));
    const high = Array.from(space.high.data, (bound) => Math.min(Number(bound), 1e6));
    const scale = (key: number, i: number): number => low[i] + ((key + 1) / 2) * (high[i] - low[i]);
    return { size, make: (keys) => ndarray("float32", [1, size], Float32Array.from(keys, scale)) };
  }
  return fail({
    code: "NOT_SUPPORTED",
    what: "this environment's actions cannot be given by a keyboard",
    expected: "Discrete, or a Box of rank 1",
    got: `${space.kind} [${(space.shape ?? []).join(", ")}]`,
  });
}

/**
 * Make a world of `env`, which it then owns. The environment has one row and does not reset by itself.
 * @throws NOT_SUPPORTED when a keyboard cannot give its actions, or when it shows no picture
 */
export function makePlayWorld(env: PlayableEnv, options: PlayWorldOptions): PlayWorld {
  const { size, make } = actionMaker(env.singleActionSpace);
  const note = options.note ?? plainNote;
  const names = options.actionNames ?? Array.from({ length: size }, (_, i) => `action ${i}`);
  const running = { reward: 0, terminated: false, truncated: false };
  return {
    title: options.title,
    actionNames: names,
    bindings: options.bindings,
    stepSeconds: options.stepSeconds ?? 1 / (env.metadata.renderFps ?? 10),
    async reset(seed): Promise<PlayStep> {
      const { observations, infos } = await env.reset({ seed });
      return { ...running, frame: await frameOf(env, observations), note: note(factsOf(infos)) };
    },
    async step(keys): Promise<PlayStep> {
      const { observations, rewards, terminations, truncations, infos } = await env.step(make(keys));
      return {
        frame: await frameOf(env, observations),
        reward: Number(rewards.data[0]),
        terminated: terminations.data[0] !== 0,
        truncated: truncations.data[0] !== 0,
        note: note(factsOf(infos)),
      };
    },
    close: () => env.close(),
  };
}
