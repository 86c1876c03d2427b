/** @file The `sweep:` part of a config: a grid or a random search becomes a list of overrides, the same for the same seed. */

import { z } from "zod";
import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import type { ConfigSource } from "../config/config-source.ts";
import { kindOf } from "../config/config-source.ts";
import { parseConfig } from "../config/config.ts";

const range = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low < high, "two numbers, the lower one first");

const positiveRange = range.refine(([low]) => low > 0, "two positive numbers, the lower one first");

const distribution = z.union([
  z.strictObject({ uniform: range.describe("Evenly between two numbers") }),
  z.strictObject({ log: positiveRange.describe("Evenly between two numbers on a logarithmic scale") }),
  z.strictObject({ integer: range.describe("A whole number between two, both included") }),
  z.strictObject({ choice: z.array(z.unknown()).min(1).describe("One of a list") }),
]);

/** What one field is drawn from. */
export type Distribution = z.output<typeof distribution>;

/** The schema of `sweep:`. */
export const sweepSchema = z.strictObject({
  grid: z
    .record(z.string(), z.array(z.unknown()).min(1))
    .default({})
    .describe("Values by dotted field, as in policy.horizon: [10, 20]; every combination is run"),
  random: z
    .record(z.string(), distribution)
    .default({})
    .describe(
      "Distributions by dotted field: {log: [1e-4, 1e-2]}, {uniform: …}, {integer: …}, {choice: […]}",
    ),
  samples: z
    .int()
    .min(1)
    .default(1)
    .describe("Draws from the distributions, for every combination of the grid"),
  seeds: z
    .array(z.int().min(0))
    .min(1)
    .optional()
    .describe("Every combination is run with each of these seeds; the config's own alone unless given"),
  metric: z
    .string()
    .optional()
    .describe("stage/metric whose last value is compared; the experiment's own scores unless given"),
  goal: z.enum(["max", "min"]).default("max").describe("Which values of the metric are better"),
});

/** A validated `sweep:`. */
export type SweepSpec = z.output<typeof sweepSchema>;

/** One run of a sweep. */
export interface SweepChild {
  /** Folder's name, as in `003-horizon=20-seed=1`. */
  readonly name: string;
  /** As on the command line: `policy.horizon=20`. */
  readonly overrides: readonly string[];
}

/** Take `sweep:` out of a config. @throws INVALID_CONFIG with the place of what is wrong in it */
export function takeSweep(source: ConfigSource): { source: ConfigSource; sweep: SweepSpec | undefined } {
  const { sweep, ...values } = source.values;
  const rest = { values, locate: source.locate };
  if (sweep === undefined) return { source: rest, sweep: undefined };
  // Checked under its own key, so that messages have the path as it was written.
  const checked = parseConfig(z.strictObject({ sweep: sweepSchema }), {
    values: { sweep },
    locate: source.locate,
  });
  const spec = checked.sweep;
  if (Object.keys(spec.grid).length + Object.keys(spec.random).length + (spec.seeds?.length ?? 0) > 0)
    return { source: rest, sweep: spec };
  return fail({
    code: "INVALID_CONFIG",
    what: `${source.locate(["sweep"])}: "sweep" varies nothing`,
    expected: "a grid, random distributions or seeds",
    got: kindOf(sweep),
    fix: "name at least one field, or remove sweep",
  });
}

function combinations(grid: SweepSpec["grid"]): [string, unknown][][] {
  return Object.entries(grid).reduce<[string, unknown][][]>(
    (made, [path, values]) =>
      made.flatMap((one) => values.map((value): [string, unknown][] => [...one, [path, value]])),
    [[]],
  );
}

function draw(from: Distribution, rng: Rng): unknown {
  if ("uniform" in from) return from.uniform[0] + (from.uniform[1] - from.uniform[0]) * rng.random();
  if ("log" in from) {
    const [low, high] = from.log.map(Math.log);
    // Four digits: the name of the run and its config say the same number.
    return Number(Math.exp(low + (high - low) * rng.random()).toPrecision(4));
  }
  if ("integer" in from) return rng.integers(from.integer[0], from.integer[1] + 1);
  return from.choice[rng.integers(from.choice.length)];
}

function nameOf(index: number, count: number, fields: readonly [string, unknown][]): string {
  const told = fields.map(([path, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `${path.split(".").at(-1)}=${text.replaceAll(/[^\w.+-]+/g, "_")}`;
  });
  const number = String(index).padStart(String(count - 1).length, "0");
  return `${number}-${told.join("-")}`.slice(0, 80);
}

/**
 * All runs of a sweep, in order; random ones are drawn from `seed`, each draw with a generator of its own.
 * @param seed the config's seed
 */
export function planSweep(spec: SweepSpec, seed: number): SweepChild[] {
  const random = Object.entries(spec.random);
  const samples = random.length === 0 ? 1 : spec.samples;
  const bases = combinations(spec.grid);
  const points = bases.flatMap((base, b) =>
    Array.from({ length: samples }, (_, s): [string, unknown][] => {
      const rng = Rng.fromSeed([seed, b * samples + s]);
      return [...base, ...random.map(([path, from]): [string, unknown] => [path, draw(from, rng)])];
    }),
  );
  const seeded = points.flatMap((point) =>
    spec.seeds === undefined ? [point] : spec.seeds.map((s): [string, unknown][] => [...point, ["seed", s]]),
  );
  return seeded.map((fields, i) => ({
    name: nameOf(i, seeded.length, fields),
    overrides: fields.map(([path, value]) => `${path}=${JSON.stringify(value)}`),
  }));
}
