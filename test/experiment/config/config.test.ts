/** @file Config files: merging, overrides, and what is said about a wrong one. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { z } from "zod";
import {
  configJsonSchema,
  describeConfig,
  runFields,
  section,
} from "../../../src/experiment/config/config-schema.ts";
import { loadConfig } from "../../../src/experiment/config/config.ts";
import { drivingSchema } from "../../../src/experiment/driving/config.ts";
import { folderOf, thrownBy } from "../folders.ts";

const schema = z.strictObject({
  ...runFields,
  policy: section({
    horizon: z.int().min(1).default(15).describe("Imagined steps"),
    layers: z.array(z.int().positive()).default([64, 64]),
    kind: z.enum(["ppo", "cloning"]).default("ppo"),
  }),
  planner: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("cem"), elites: z.int().default(10) }),
      z.strictObject({ kind: z.literal("mppi"), temperature: z.number() }),
    ])
    .optional()
    .describe("Planner, if any"),
  rates: z.record(z.string(), z.number()).default({}),
  loose: z.object({ known: z.number().default(1) }).default({ known: 1 }),
  size: z.union([z.number(), z.array(z.number())]).optional(),
});

function load(files: Record<string, string>, overrides: string[] = []): z.output<typeof schema> {
  const folder = folderOf(files);
  return loadConfig(schema, join(folder, "run.yaml"), overrides);
}

function refusal(
  files: Record<string, string>,
  overrides: string[] = [],
): Promise<Error & { code?: string }> {
  return thrownBy(() => load(files, overrides));
}

describe("a config file", () => {
  it("fills in every default, and its name is the file's", () => {
    const config = load({ "run.yaml": "experiment: fake" });
    expect(config).toEqual({
      experiment: "fake",
      name: "run",
      seed: 0,
      policy: { horizon: 15, layers: [64, 64], kind: "ppo" },
      rates: {},
      loose: { known: 1 },
    });
  });

  it("takes over what it extends, merging mappings and replacing lists", () => {
    const config = load({
      "base.yaml": "experiment: fake\nseed: 4\npolicy: { horizon: 30, layers: [8, 8, 8] }\nrates: { a: 1 }",
      "run.yaml": "extends: ./base.yaml\npolicy: { layers: [2] }\nrates: { b: 2 }",
    });
    expect(config.policy).toEqual({ horizon: 30, layers: [2], kind: "ppo" });
    expect(config.rates).toEqual({ a: 1, b: 2 });
    expect(config.seed).toBe(4);
  });

  it("extends several files, the later one winning", () => {
    const config = load({
      "a.yaml": "experiment: fake\nseed: 1\npolicy: { horizon: 2 }",
      "b.yaml": "seed: 2",
      "run.yaml": "extends: [a.yaml, b.yaml]",
    });
    expect([config.seed, config.policy.horizon]).toEqual([2, 2]);
  });

  it("is not changed by being written out resolved and read again", () => {
    const first = load({ "run.yaml": "experiment: fake\nplanner: { kind: mppi, temperature: 1e-3 }" });
    const folder = folderOf({ "config.yaml": stringify(first) });
    expect(loadConfig(schema, join(folder, "config.yaml"))).toEqual(first);
  });

  it("that extends itself through another is refused with the circle", async () => {
    const error = await refusal({ "run.yaml": "extends: b.yaml", "b.yaml": "extends: run.yaml" });
    expect(error.code).toBe("INVALID_CONFIG");
    expect(error.message).toMatch(/run\.yaml -> .*b\.yaml -> .*run\.yaml/);
  });

  it("that is missing is named together with the file that extends it", async () => {
    const error = await refusal({ "run.yaml": "extends: gone.yaml" });
    expect(error.code).toBe("IO_FAILED");
    expect(error.message).toMatch(/gone\.yaml \(extended by .*run\.yaml\)/);
  });

  it("with broken YAML or a key given twice is refused at its line", async () => {
    expect((await refusal({ "run.yaml": "experiment: fake\npolicy: [1, 2" })).message).toMatch(
      /run\.yaml:2:/,
    );
    const twice = await refusal({ "run.yaml": "seed: 1\nexperiment: fake\nseed: 2" });
    expect(twice.code).toBe("INVALID_CONFIG");
    expect(twice.message).toMatch(/run\.yaml:3:1/);
  });
});

describe("an override", () => {
  it("reads its value as YAML and reaches nested fields, made ones and list elements", () => {
    const config = load({ "run.yaml": "experiment: fake\npolicy: { layers: [1, 2, 3] }" }, [
      "policy.horizon=1e2",
      "policy.layers.1=9",
      "planner={kind: cem, elites: 3}",
      "rates.a=0.5",
      'name="a-b"',
    ]);
    expect(config.policy).toEqual({ horizon: 100, layers: [1, 9, 3], kind: "ppo" });
    expect(config.planner).toEqual({ kind: "cem", elites: 3 });
    expect([config.rates.a, config.name]).toEqual([0.5, "a-b"]);
  });

  it("with a fault is blamed itself, not the file", async () => {
    const error = await refusal({ "run.yaml": "experiment: fake\npolicy: { horizon: 3 }" }, [
      "policy.horizon=many",
    ]);
    expect(error.message).toContain('override "policy.horizon=many": "policy.horizon" has the wrong type');
    expect(error.message).not.toContain("run.yaml");
  });

  it("without an equals sign, or into something that is no mapping, is refused", async () => {
    expect((await refusal({ "run.yaml": "experiment: fake" }, ["policy.horizon"])).message).toContain(
      "a.b=value",
    );
    const into = await refusal({ "run.yaml": "experiment: fake\nseed: 1" }, ["seed.x=1"]);
    expect(into.message).toContain("reaches into seed");
    expect((await refusal({ "run.yaml": "experiment: fake" }, ["__proto__.x=1"])).code).toBe(
      "INVALID_CONFIG",
    );
  });
});

describe("a wrong field is refused", () => {
  it("when unknown, with its path, line, column and the nearest name", async () => {
    const error = await refusal({ "run.yaml": "experiment: fake\npolicy:\n  horzion: 3" });
    expect(error.code).toBe("INVALID_CONFIG");
    expect(error.message).toMatch(/run\.yaml:3:3: unknown key "policy\.horzion"/);
    expect(error.message).toContain("one of horizon, layers, kind");
    expect(error.message).toContain('did you mean "policy.horizon"?');
  });

  it("at the file that wrote it, when it came from an extended one", async () => {
    const error = await refusal({
      "base.yaml": "\n\nsede: 3",
      "run.yaml": "extends: base.yaml\nexperiment: fake",
    });
    expect(error.message).toMatch(/base\.yaml:3:1: unknown key "sede"/);
  });

  it("even where the schema itself would let an unknown key pass", async () => {
    const error = await refusal({ "run.yaml": "experiment: fake\nloose: { knwon: 2 }" });
    expect(error.message).toContain('unknown key "loose.knwon"');
  });

  it("when of the wrong type, saying what was expected and what came", async () => {
    const error = await refusal({ "run.yaml": "experiment: fake\npolicy:\n  layers:\n    - 4\n    - wide" });
    expect(error.message).toMatch(/run\.yaml:5:7: "policy\.layers\.1" has the wrong type/);
    expect(error.message).toContain("expected: number");
    expect(error.message).toContain('got: string "wide"');
  });

  it("when out of range, missing, or none of the choices", async () => {
    expect((await refusal({ "run.yaml": "experiment: fake\nseed: -1" })).message).toContain(">=0");
    expect((await refusal({ "run.yaml": "seed: 1" })).message).toContain('"experiment" is missing');
    const choice = await refusal({ "run.yaml": "experiment: fake\npolicy: { kind: pp }" });
    expect(choice.message).toContain("one of ppo, cloning");
    expect(choice.message).toContain('did you mean "ppo"?');
  });

  it("by the variant that it chose", async () => {
    const key = await refusal({ "run.yaml": "experiment: fake\nplanner: { kind: cem, temperature: 1 }" });
    expect(key.message).toContain('unknown key "planner.temperature"');
    expect(key.message).toContain("one of kind, elites");
    const kind = await refusal({ "run.yaml": "experiment: fake\nplanner: { kind: mpc }" });
    expect(kind.message).toContain('"planner.kind" is none of its choices');
    expect(kind.message).toContain("one of cem, mppi");
  });

  it("by all the forms it might have, or the one it nearly has", async () => {
    expect((await refusal({ "run.yaml": "experiment: fake\nsize: big" })).message).toContain(
      "number or array",
    );
    expect((await refusal({ "run.yaml": "experiment: fake\nsize: [1, b]" })).message).toContain('"size.1"');
  });

  it("by a rule between two fields, naming the one that breaks it and its value", async () => {
    const error = await thrownBy(() =>
      loadConfig(drivingSchema, join(folderOf({ "run.yaml": "experiment: driving" }), "run.yaml"), [
        "planner.horizon=3",
      ]),
    );
    expect(error.message).toMatch(
      /"planner\.replanEvery".*not allowed[^]*at most the horizon[^]*got: number 4/,
    );
  });

  it("together with every other wrong field", async () => {
    const error = await refusal({ "run.yaml": "experiment: fake\nseed: x\npolicy: { horizon: 0, foo: 1 }" });
    for (const part of ["policy.foo", '"seed"', '"policy.horizon"']) expect(error.message).toContain(part);
  });
});

describe("the documentation of a config", () => {
  it("lists every field with type, default and description", () => {
    const fields = new Map(describeConfig(schema).map((field) => [field.path, field]));
    expect(fields.get("policy.horizon")).toEqual({
      path: "policy.horizon",
      type: "integer >= 1",
      default: "15",
      description: "Imagined steps",
    });
    expect(fields.get("policy.kind")?.type).toBe('"ppo" | "cloning"');
    expect(fields.get("planner")?.description).toBe("Planner, if any");
    expect(fields.get("planner<kind=mppi>.temperature")?.default).toBeUndefined();
    expect(fields.get("experiment")?.default).toBeUndefined();
  });

  it("is a JSON Schema that knows extends and asks for the experiment alone", () => {
    const json = configJsonSchema(schema) as {
      properties: Record<string, { description?: string }>;
      required: string[];
    };
    expect(json.properties.extends.description).toContain("relative");
    expect(json.properties.seed.description).toContain("Seed");
    expect(json.required).toEqual(["experiment"]);
  });
});
