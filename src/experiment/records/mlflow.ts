/** @file Sends a run's config and metrics to an MLflow server, where one is configured; a run never waits for it nor fails by it. */

import { join } from "node:path";
import { writeAtomicallySync } from "../../core/storage.ts";
import { fieldText, flattenConfig } from "../config/config-diff.ts";
import type { RunFields } from "../config/config-schema.ts";
import type { MetricLine } from "./metrics.ts";
import { readJson } from "./run-dir.ts";

/** Where to send, by the variables that MLflow's own clients read. */
export interface MlflowSettings {
  /** `MLFLOW_TRACKING_URI` */
  readonly uri: string;
  /** `MLFLOW_EXPERIMENT_NAME`; `reverie` unless given. */
  readonly experiment: string;
  /** Header from `MLFLOW_TRACKING_TOKEN`, or from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`. */
  readonly authorization?: string;
}

/** Takes what a run logs. */
export interface Tracker {
  log(line: MetricLine): void;
  /** Deliver the rest and tell how the run ended; returns what could not be delivered, in words. */
  close(outcome: "FINISHED" | "FAILED" | "KILLED"): Promise<string | undefined>;
}

/** Settings from the environment; undefined where no server over HTTP is named. */
export function mlflowSettings(env: NodeJS.ProcessEnv): MlflowSettings | undefined {
  const uri = env.MLFLOW_TRACKING_URI;
  if (uri === undefined || !/^https?:\/\//.test(uri)) return undefined;
  const {
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_TRACKING_USERNAME: user,
    MLFLOW_TRACKING_PASSWORD: word,
  } = env;
  const basic =
    user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${word ?? ""}`).toString("base64")}`;
  return {
    uri: uri.replace(/\/+$/, ""),
    experiment: env.MLFLOW_EXPERIMENT_NAME ?? "reverie",
    authorization: token === undefined ? basic : `Bearer ${token}`,
  };
}

/** Limits of one `log-batch`. @source mlflow.org, REST API, "Log Batch" */
const batch = { metrics: 1000, params: 100, valueLength: 500 };
const flushMs = 5000;
/** Beyond this many undelivered numbers the oldest go; metrics.jsonl has them all. */
const kept = 100_000;

interface Metric {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

/** MLflow takes letters, digits and `_-. :/` in names. */
function nameOf(text: string): string {
  return text.replaceAll(/[^\w\-. :/]/g, "_").slice(0, 250);
}

function metricsOf({ stage, step, time, ...values }: MetricLine): Metric[] {
  return Object.entries(values).map(([name, value]) => ({
    key: nameOf(`${stage}/${name}`),
    value: Number(value),
    timestamp: Math.round(time * 1000),
    step,
  }));
}

type Call = (path: string, body?: unknown) => Promise<Record<string, unknown>>;

function makeCall({ uri, authorization }: MlflowSettings): Call {
  return async (path, body) => {
    const answer = await fetch(`${uri}/api/2.0/mlflow/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", ...(authorization && { authorization }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    if (!answer.ok)
      throw new Error(`${path.split("?")[0]}: HTTP ${answer.status} ${(await answer.text()).slice(0, 200)}`);
    return (await answer.json()) as Record<string, unknown>;
  };
}

async function experimentId(call: Call, name: string): Promise<string> {
  const found = await call(`experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`).catch(
    async (error: unknown) => {
      if (!String(error).includes("HTTP 404")) throw error;
      return { experiment: await call("experiments/create", { name }) };
    },
  );
  return (found.experiment as { experiment_id: string }).experiment_id;
}

/** The run's id at the server: that of an earlier session, or a new run with the config as its parameters. */
async function beginRun(
  call: Call,
  folder: string,
  settings: MlflowSettings,
  config: RunFields,
): Promise<string> {
  const path = join(folder, "mlflow.json");
  const known = readJson(path, `delete ${path}; a new MLflow run is begun`) as { run_id: string } | undefined;
  if (known !== undefined) {
    await call("runs/update", { run_id: known.run_id, status: "RUNNING" });
    return known.run_id;
  }
  const made = await call("runs/create", {
    experiment_id: await experimentId(call, settings.experiment),
    run_name: `${config.name}-${config.seed}`,
    start_time: Date.now(),
    tags: [{ key: "reverie.folder", value: folder }],
  });
  const { run_id } = (made.run as { info: { run_id: string } }).info;
  writeAtomicallySync(path, `${JSON.stringify({ run_id })}\n`);
  const params = [...flattenConfig(config)].map(([key, value]) => ({
    key: nameOf(key),
    value: fieldText(value).slice(0, batch.valueLength),
  }));
  for (let at = 0; at < params.length; at += batch.params)
    await call("runs/log-batch", { run_id, params: params.slice(at, at + batch.params) });
  return run_id;
}

/** Sends one after another what is handed in; what failed stays and goes first next time. */
function makeQueue(
  begin: () => Promise<string>,
  call: Call,
): { add(metrics: Metric[]): void; flush(): Promise<string> } {
  let run: string | undefined;
  let waiting: Metric[] = [];
  let sending: Promise<unknown> = Promise.resolve();
  const send = async (): Promise<string> => {
    run ??= await begin();
    while (waiting.length > 0) {
      const metrics = waiting.slice(0, batch.metrics);
      await call("runs/log-batch", { run_id: run, metrics });
      const sent = new Set(metrics);
      waiting = waiting.filter((metric) => !sent.has(metric));
    }
    return run;
  };
  return {
    add(metrics) {
      waiting = waiting.concat(metrics).slice(-kept);
    },
    flush() {
      const next = sending.then(send, send);
      sending = next;
      return next;
    },
  };
}

/** Send a run's config and metrics to MLflow from now on. `folder` is the run's; it remembers the MLflow run for a resume. */
export function openMlflow(settings: MlflowSettings, folder: string, config: RunFields): Tracker {
  const call = makeCall(settings);
  const queue = makeQueue(() => beginRun(call, folder, settings, config), call);
  let trouble: string | undefined;
  const flush = async (): Promise<string | undefined> => {
    try {
      const run = await queue.flush();
      trouble = undefined;
      return run;
    } catch (error) {
      trouble = (error as Error).message;
      return undefined;
    }
  };
  const timer = setInterval(() => void flush(), flushMs);
  timer.unref();
  return {
    log: (line) => queue.add(metricsOf(line)),
    async close(outcome) {
      clearInterval(timer);
      const run = await flush();
      if (run !== undefined) {
        const update = { run_id: run, status: outcome, end_time: Date.now() };
        await call("runs/update", update).catch((error: unknown) => (trouble = (error as Error).message));
      }
      return trouble;
    },
  };
}
