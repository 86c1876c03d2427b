/** @file MLflow: what its REST API is sent, that a resume goes on with the same run, and that a lost server fails no run. */

import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { mlflowSettings } from "../../../src/experiment/records/mlflow.ts";
import { resumeExperiment, runExperiment } from "../../../src/experiment/runner.ts";
import { fake } from "../fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "../folders.ts";

interface Received {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: any;
}

/** A server that answers as MLflow 2's REST API documents, and refuses what it documents as refused. */
class FakeMlflow {
  readonly received: Received[] = [];
  experiments = new Map<string, string>();
  failing = 0;
  #server: Server | undefined;

  async start(): Promise<string> {
    this.#server = createServer((request, response) => {
      let text = "";
      request.on("data", (part: Buffer) => (text += part.toString()));
      request.on("end", () => {
        const [status, answer] = this.#answer(
          request.url ?? "",
          text === "" ? undefined : JSON.parse(text),
          request.headers.authorization,
        );
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => {
      this.#server?.listen(0, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #answer(url: string, body: any, authorization: string | undefined): [number, unknown] {
    const path = url.replace("/api/2.0/mlflow/", "").split("?")[0];
    if (this.failing > 0) return [(this.failing--, 503), { error_code: "TEMPORARILY_UNAVAILABLE" }];
    this.received.push({ path, authorization, body });
    if (path === "experiments/get-by-name") {
      const id = this.experiments.get(new URL(url, "http://x").searchParams.get("experiment_name") ?? "");
      return id === undefined
        ? [404, { error_code: "RESOURCE_DOES_NOT_EXIST" }]
        : [200, { experiment: { experiment_id: id } }];
    }
    if (path === "experiments/create") {
      this.experiments.set(body.name, "7");
      return [200, { experiment_id: "7" }];
    }
    if (path === "runs/create") return [200, { run: { info: { run_id: "run-1" } } }];
    const names = [...(body.metrics ?? []), ...(body.params ?? [])].map(({ key }: { key: string }) => key);
    if (names.some((name: string) => /[^\w\-. :/]/.test(name)))
      return [400, { error_code: "INVALID_PARAMETER_VALUE" }];
    if ((body.metrics ?? []).length > 1000 || (body.params ?? []).length > 100) return [400, {}];
    return [200, {}];
  }

  metrics(): any[] {
    return this.received.flatMap(({ body }) => body?.metrics ?? []);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    server?.closeAllConnections();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }
}

let server = new FakeMlflow();

afterEach(async () => {
  vi.unstubAllEnvs();
  await server.stop();
  server = new FakeMlflow();
});

const options = { experiments: { fake }, handleSignals: false };

async function run(overrides: string[] = [], output = quiet()): Promise<string> {
  const yaml = join(folderOf({ "tiny.yaml": "experiment: fake" }), "tiny.yaml");
  const runDir = join(newFolder(), "run");
  await runExperiment(yaml, overrides, { ...options, runDir, output });
  return runDir;
}

describe("MLflow", () => {
  it("is not asked unless the environment names a server over HTTP", () => {
    expect(mlflowSettings({})).toBeUndefined();
    expect(mlflowSettings({ MLFLOW_TRACKING_URI: "file:///mlruns" })).toBeUndefined();
    const settings = mlflowSettings({
      MLFLOW_TRACKING_URI: "https://m/",
      MLFLOW_TRACKING_USERNAME: "u",
      MLFLOW_TRACKING_PASSWORD: "p",
    });
    expect(settings).toEqual({ uri: "https://m", experiment: "reverie", authorization: "Basic dTpw" });
  });

  it("gets the config, every metric once with its step and time, and the end", async () => {
    vi.stubEnv("MLFLOW_TRACKING_URI", await server.start());
    vi.stubEnv("MLFLOW_TRACKING_TOKEN", "secret");
    vi.stubEnv("MLFLOW_EXPERIMENT_NAME", "cars");
    const folder = await run(["train.steps=1200"]);
    expect(server.received.map(({ path }) => path).filter((path) => path !== "runs/log-batch")).toEqual([
      "experiments/get-by-name",
      "experiments/create",
      "runs/create",
      "runs/update",
    ]);
    expect(new Set(server.received.map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer secret"]),
    );
    const params = server.received.flatMap(({ body }) => body?.params ?? []);
    expect(params).toContainEqual({ key: "train.steps", value: "1200" });
    const losses = server.metrics().filter(({ key }) => key === "train/loss");
    expect(losses.map(({ step }) => step)).toEqual(Array.from({ length: 1200 }, (_, i) => i));
    expect(losses[1]).toMatchObject({ value: 0.9, timestamp: expect.any(Number) });
    expect(server.metrics()).toContainEqual(
      expect.objectContaining({ key: "collect/rollout/ep_rew_mean", step: 2 }),
    );
    expect(server.received.at(-1)?.body).toMatchObject({ run_id: "run-1", status: "FINISHED" });
    expect(JSON.parse(readFileSync(join(folder, "mlflow.json"), "utf8"))).toEqual({ run_id: "run-1" });
  });

  it("is told of a failure, and a resumed run goes on as the same one", async () => {
    vi.stubEnv("MLFLOW_TRACKING_URI", await server.start());
    const yaml = join(folderOf({ "tiny.yaml": "experiment: fake" }), "tiny.yaml");
    const runDir = join(newFolder(), "run");
    await thrownBy(() => runExperiment(yaml, ["train.poisonAt=7"], { ...options, runDir, output: quiet() }));
    expect(server.received.at(-1)?.body).toMatchObject({ status: "FAILED" });
    await thrownBy(() => resumeExperiment(runDir, { ...options, output: quiet() }));
    expect(server.received.filter(({ path }) => path === "runs/create")).toHaveLength(1);
    expect(server.received.some(({ body }) => body?.status === "RUNNING")).toBe(true);
  });

  it("that cannot be reached fails no run, and the run says what is missing", async () => {
    vi.stubEnv("MLFLOW_TRACKING_URI", await server.start());
    server.failing = 1000;
    const output = quiet();
    const folder = await run([], output);
    expect(output.text).toMatch(/MLflow has not got everything \(metrics\.jsonl has\): .*HTTP 503/);
    expect(readFileSync(join(folder, "metrics.jsonl"), "utf8").split("\n")).toHaveLength(24);
  });
});
