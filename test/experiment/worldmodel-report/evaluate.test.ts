/** @file Reports of world models: of every kind, from folders of checkpoints and from runs, whole and self-contained. */

import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { zeros } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { main } from "../../../src/cli/program.ts";
import { evaluateWorldModel } from "../../../src/experiment/worldmodel-report/evaluate.ts";
import { openModelFolder } from "../../../src/experiment/worldmodel-report/model-folder.ts";
import { newFolder } from "../folders.ts";
import { kinds, saveToyEpisodes, saveToyModel, saveToyTokenizer } from "./toy-models.ts";

const episodes = newFolder();
let printed = "";
const quick = {
  episodes,
  windows: 6,
  probeSteps: 2,
  speedSeconds: 0,
  output: { write: (text: string) => void (printed += text) },
};

beforeAll(() => saveToyEpisodes(episodes, 12));

describe("a report", () => {
  it.each(kinds)("tells a %s by its checkpoint and measures everything", async (kind) => {
    const folder = newFolder();
    saveToyModel(folder, kind);
    printed = "";
    const { report, html, json } = await evaluateWorldModel(folder, quick);
    expect(report.model).toMatchObject({ kind, file: "worldmodel.safetensors", actions: ["steer", "pedal"] });
    expect(report.data).toMatchObject({ episodes: 6, ended: 6, probeEpisodes: 6 });
    expect(report.horizons.map(({ horizon }) => horizon)).toEqual([1, 5, 15]);
    expect(report.distances).toHaveLength(3);
    expect(report.obedience.states).toHaveLength(3);
    expect(report.drift.scores.length).toBeGreaterThanOrEqual(3);
    expect(report.foresight.rewards).toHaveLength(3);
    expect(report.speed.map(({ batch }) => batch)).toEqual([1, 64]);
    expect(report.peakMemoryBytes).toBeGreaterThan(2 ** 26);
    expect(report.returns).toBeUndefined();
    expect(JSON.parse(readFileSync(json, "utf8"))).toEqual(JSON.parse(JSON.stringify(report)));
    const page = readFileSync(html, "utf8");
    expect(page).toContain("data:image/png;base64,");
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
    for (const title of [
      "Open-loop prediction",
      "Feature distance",
      "Inverse dynamics",
      "Drift",
      "Foretold ends",
    ]) {
      expect(page).toContain(title);
      expect(printed).toContain(title);
    }
  });

  it("needs recordings where there is no run, and some of them", async () => {
    const folder = newFolder();
    saveToyModel(folder, "latent-world-model");
    await expect(evaluateWorldModel(folder, { output: quick.output })).rejects.toThrow(/--episodes FOLDER/);
    const few = newFolder();
    await saveToyEpisodes(few, 3);
    await expect(evaluateWorldModel(folder, { ...quick, episodes: few })).rejects.toThrow(/too few episodes/);
    const large = newFolder();
    await saveToyEpisodes(large, 4, 32);
    await expect(evaluateWorldModel(folder, { ...quick, episodes: large })).rejects.toThrow(
      /INVALID_SHAPE.*not of this model's world/s,
    );
  });

  it("may be asked for by the command line, whose --episodes is a folder here", async () => {
    let told = "";
    vi.spyOn(process.stderr, "write").mockImplementation((text) => ((told += text.toString()), true));
    const nothing = join(newFolder(), "nothing");
    expect(await main(["evaluate", "worldmodel", nothing, "--episodes", episodes, "--windows", "4"])).toBe(1);
    vi.restoreAllMocks();
    expect(told).toContain(`there is no ${nothing}`);
  });

  it("leaves --episodes a count where a run is judged", async () => {
    let told = "";
    vi.spyOn(process.stderr, "write").mockImplementation((text) => ((told += text.toString()), true));
    expect(await main(["evaluate", newFolder(), "--episodes", "many"])).toBe(2);
    vi.restoreAllMocks();
    expect(told).toMatch(/--episodes.*whole number above 0.*"many"/s);
  });
});

describe("a folder of checkpoints", () => {
  it("opens a causal flow with as many passes per frame as wanted, and refuses that of other kinds", async () => {
    const [flow, latent] = [newFolder(), newFolder()];
    saveToyModel(flow, "causal-flow-world-model");
    saveToyModel(latent, "latent-world-model");
    const dream = async (samplingSteps?: 1 | 2 | 4): Promise<Float32Array> => {
      const { model } = openModelFolder(flow, { samplingSteps });
      const frame = { dtype: "uint8", shape: [1, 1, 16, 16, 3], data: new Uint8Array(768).fill(90) } as const;
      const state = await model.encode(
        { frame, state: zeros("float32", [1, 1, 3]) },
        zeros("float32", [1, 0, 2]),
      );
      const next = await model.step(state, zeros("float32", [1, 2]), Rng.fromSeed(1));
      return next.state.latents.data;
    };
    expect(await dream(1)).toEqual(await dream());
    expect(await dream(4)).not.toEqual(await dream());
    expect(() => openModelFolder(latent, { samplingSteps: 2 })).toThrow(/NOT_SUPPORTED.*sampling steps/);
  });

  it("must hold one world model, or the file is named; and its own tokenizer", () => {
    const folder = newFolder();
    saveToyModel(folder, "latent-world-model");
    const file = join(folder, "worldmodel.safetensors");
    saveToyTokenizer(folder, 16, { name: "another.safetensors", seed: 9 });
    const { file: found, tokenizerFile } = openModelFolder(folder);
    expect([found, tokenizerFile]).toEqual([file, join(folder, "tokenizer.safetensors")]);
    copyFileSync(file, join(folder, "older.safetensors"));
    expect(() => openModelFolder(folder)).toThrow(/several world models.*older.safetensors/s);
    expect(openModelFolder(file).kind).toBe("latent-world-model");
    rmSync(join(folder, "tokenizer.safetensors"));
    expect(() => openModelFolder(file)).toThrow(/CHECKPOINT_MISMATCH.*not beside it/s);
    rmSync(file);
    rmSync(join(folder, "older.safetensors"));
    saveToyTokenizer(folder, 16);
    expect(() => openModelFolder(folder)).toThrow(/no world model.*continuous-tokenizer/s);
    writeFileSync(join(folder, "broken.safetensors"), "no");
    expect(() => openModelFolder(folder)).toThrow(/CORRUPT_FILE/);
  });
});
