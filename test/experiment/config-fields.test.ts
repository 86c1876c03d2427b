/** @file Fields of configs: units that are mixed up, fields that nobody reads, explanations and the schema of whole files. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { configDifferences } from "../../src/experiment/config/config-diff.ts";
import { explainConfig, explainText, fileJsonSchema } from "../../src/experiment/config/config-explain.ts";
import { requireRead, watchReads } from "../../src/experiment/config/config-reads.ts";
import { runFields, section } from "../../src/experiment/config/config-schema.ts";
import { loadConfig } from "../../src/experiment/config/config.ts";
import { checkConfig, runExperiment } from "../../src/experiment/runner.ts";
import { drivingSchema } from "../../src/experiment/driving/config.ts";
import { fake } from "./fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "./folders.ts";

const schema = z.strictObject({
  ...runFields,
  car: section({
    speedMps: z.number().default(10).describe("Top speed"),
    rangeMps: z.tuple([z.number(), z.number()]).optional(),
    steerRad: z.number().default(0.5),
    mass: z.number().default(1),
  }),
  layers: z.array(z.strictObject({ size: z.int().default(3), bias: z.boolean().default(true) })).default([]),
});

async function refusal(text: string): Promise<string> {
  const path = join(folderOf({ "a.yaml": `experiment: e\n${text}` }), "a.yaml");
  return (await thrownBy(() => loadConfig(schema, path))).message;
}

describe("units", () => {
  it.each([
    ["car: { speedKmh: 54 }", '"speedMps" is in m/s: write speedMps: 15'],
    ["car: { rangeKmh: [18, 36] }", '"rangeMps" is in m/s: write rangeMps: [5, 10]'],
    ["car: { steerDeg: 90 }", '"steerRad" is in rad: write steerRad: 1.5708'],
    ['car: { speedMps: "54 km/h" }', '"speedMps" is in m/s: write 15'],
    ["car: { speedMps: 15 m/s }", '"speedMps" is in m/s: write 15'],
    ["car: { speedMps: 3 kg }", '"speedMps" is in m/s: write the number alone'],
    ["car: { rangeMps: [1, 36 km/h] }", '"rangeMps" is in m/s: write 10'],
    ["car: { mass: 3 kg }", "write the number alone: 3"],
    ["car: { speedMsp: 54 }", 'did you mean "car.speedMps"?'],
  ])("of %s are told and converted", async (text, fix) => {
    expect(await refusal(text)).toContain(`fix: ${fix}`);
  });
});

describe("fields that nobody reads", () => {
  const config = {
    experiment: "e",
    name: "n",
    seed: 0,
    car: { speedMps: 1, steerRad: 2, mass: 3 },
    layers: [{ size: 1, bias: true }],
  };

  it("are found by path, in lists and where they are unset", () => {
    const watched = watchReads(config, schema);
    void (watched.config.car.speedMps + watched.config.layers[0].size);
    expect(watched.unread()).toEqual(["car.rangeMps", "car.steerRad", "car.mass", "layers.*.bias"]);
    expect(() => requireRead(watched)).toThrow(/nothing in this run reads "car\.rangeMps", "car\.steerRad"/);
  });

  it("are none once each was read, destructured or spread alike", () => {
    const watched = watchReads(config, schema);
    const { car, layers } = watched.config;
    const spread = { ...car };
    for (const { size, bias } of layers) expect([size, bias]).toEqual([1, true]);
    void (car as { rangeMps?: unknown }).rangeMps;
    expect(spread).toEqual(config.car);
    expect(watched.unread()).toEqual([]);
    expect(watched.config.car).toBe(car);
  });

  it("fail a run that was asked to look for them, by name", async () => {
    const path = join(folderOf({ "tiny.yaml": "experiment: fake" }), "tiny.yaml");
    const options = { experiments: { fake }, handleSignals: false, checkReads: true, output: quiet() };
    await runExperiment(path, [], { ...options, runDir: join(newFolder(), "run") });
    const deaf = { ...fake, stages: () => fake.stages({} as never).slice(0, 1) };
    const error = await thrownBy(() =>
      runExperiment(path, [], { ...options, experiments: { fake: deaf }, runDir: join(newFolder(), "run") }),
    );
    expect(error.message).toContain('nothing in this run reads "train.steps", "train.rate"');
  });
});

describe("explaining", () => {
  it("tells value, place, meaning, type and default of every field", async () => {
    const files = folderOf({
      "base.yaml": "experiment: fake\ntrain:\n  rate: 0.3\n",
      "a.yaml": "extends: base.yaml",
    });
    const { experiment, config, source } = await checkConfig(join(files, "a.yaml"), ["train.steps=5"], {
      experiments: { fake },
    });
    const text = explainText(explainConfig(experiment.schema, "train", { config, source }));
    expect(text).toContain(
      'train.steps: 5  (override "train.steps=5")\n    Updates. integer >= 1, default 20',
    );
    expect(text).toMatch(/train\.rate: 0\.3 {2}\(\S*base\.yaml:3:3\)/);
    expect(text).toMatch(/train\.stepMs: 0\n/);
    expect(text).not.toContain("collect");
  });

  it("names the nearest field when asked for one that is not there", async () => {
    const error = await thrownBy(() => explainConfig(drivingSchema, "tokeniser"));
    expect(error.message).toContain('"tokenizer"');
  });

  it("describes every field of the shipped experiment", () => {
    expect(explainConfig(drivingSchema).filter(({ description }) => description === "")).toEqual([]);
  });
});

describe("the schema of whole files", () => {
  it("knows extends, sweep and each experiment's fields", () => {
    const one = fileJsonSchema({ fake });
    expect(Object.keys(one.properties as object)).toEqual(
      expect.arrayContaining(["extends", "sweep", "experiment", "train"]),
    );
    expect((one.properties as Record<string, unknown>).experiment).toEqual({ const: "fake" });
    expect(fileJsonSchema({ fake, other: fake }).anyOf).toHaveLength(2);
  });
});

describe("configs side by side", () => {
  it("differ by dotted field; lists of plain values are one field", () => {
    const differences = configDifferences([
      { a: { b: 1, c: [1, 2] }, d: [{ e: 1 }] },
      { a: { b: 1, c: [1, 3] }, d: [{ e: 2 }], f: null },
    ]);
    expect(differences).toEqual([
      { path: "a.c", values: ["[1,2]", "[1,3]"] },
      { path: "d.0.e", values: ["1", "2"] },
      { path: "f", values: ["none", "null"] },
    ]);
  });
});
