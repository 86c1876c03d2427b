/** @file `npm run bench:machines`: NATS JetStream against Redis with BullMQ at what many machines need of an engine. */

import { fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startServer, type Candidate, type Client, type Server } from "./machines/candidate.ts";
import { nats } from "./machines/nats.ts";
import { redisVariants } from "./machines/redis.ts";

const { values } = parseArgs({
  options: { json: { type: "string" }, jobs: { type: "string", default: "2000" } },
});
const jobCount = Number(values.jobs);
const script = fileURLToPath(new URL("./machines/child.ts", import.meta.url));

type Row = Record<string, number | string>;
type Said = { readonly begun?: string; readonly done?: string; readonly bytes?: number } | "ready";

/** A candidate at work: its server, a client, and children that are killed at the end. */
interface Bench {
  readonly candidate: Candidate;
  readonly server: Server;
  readonly client: Client;
  readonly children: ChildProcess[];
}

async function startChild(bench: Bench, role: string, ...args: readonly (string | number)[]) {
  const argv = [bench.candidate.name, String(bench.server.port), role, ...args.map(String)];
  const child = fork(script, argv, { execArgv: ["--import", "tsx"] });
  bench.children.push(child);
  const next = (wanted: (said: Said) => boolean): Promise<number> =>
    new Promise((resolve) => {
      const look = (said: Said): void => {
        if (!wanted(said)) return;
        child.off("message", look);
        resolve(performance.now());
      };
      child.on("message", look);
    });
  await next((said) => said === "ready");
  return { child, next };
}

/** Empty jobs through two workers, each one at a time. */
async function jobsPerSecond(bench: Bench): Promise<Row> {
  for (let i = 0; i < jobCount; i++) await bench.client.addJob(`job-${i}`);
  const workers = [await startChild(bench, "worker", 0), await startChild(bench, "worker", 0)];
  const before = await bench.client.jobsLeft();
  const begun = performance.now();
  while ((await bench.client.jobsLeft()) > 0) await sleep(10);
  const seconds = (performance.now() - begun) / 1000;
  for (const { child } of workers) child.kill("SIGKILL");
  return { "jobs/s": Math.round(before / seconds) };
}

async function megabytesPerSecond(bench: Bench): Promise<Row> {
  const row: Row = {};
  for (const kilobytes of [64, 256, 1024]) {
    const size = kilobytes * 1024;
    const count = Math.ceil((48 * 2 ** 20) / size);
    await startChild(bench, "sender", size, count);
    const begun = performance.now();
    const bytes = await bench.client.receive(count);
    row[`MB/s at ${kilobytes} KB`] = Math.round(bytes / 1000 / (performance.now() - begun));
  }
  return row;
}

/** From the publisher's call to the reader's whole copy. */
async function weightsLatency(bench: Bench): Promise<Row> {
  const { next } = await startChild(bench, "reader");
  const bytes = new Uint8Array(5_000_000).map((_, i) => i * 17);
  const took: number[] = [];
  for (let version = 0; version < 21; version++) {
    const seen = next((said) => said !== "ready" && said.bytes === bytes.length);
    const begun = performance.now();
    await bench.client.putWeights(version, bytes);
    took.push((await seen) - begun);
  }
  took.sort((a, b) => a - b);
  return { "weights p50 ms": Math.round(took[10]), "weights max ms": Math.round(took[20]) };
}

/** Two workers, forty jobs of 50 ms; one of them is killed in the middle of a job. */
async function killedWorker(bench: Bench): Promise<Row> {
  const ran = new Map<string, number>();
  const [first, second] = [await startChild(bench, "worker", 50), await startChild(bench, "worker", 50)];
  const begins = new Map<string, number[]>();
  for (const { child } of [first, second]) {
    child.on("message", (said: Said) => {
      if (said === "ready") return;
      if (said.begun) begins.set(said.begun, [...(begins.get(said.begun) ?? []), performance.now()]);
      if (said.done) ran.set(said.done, (ran.get(said.done) ?? 0) + 1);
    });
  }
  for (let i = 0; i < 40; i++) await bench.client.addJob(`kill-${i}`);
  await first.next((said) => said !== "ready" && said.begun !== undefined);
  first.child.kill("SIGKILL");
  const deadline = performance.now() + 20_000;
  while (ran.size < 40 && performance.now() < deadline) await sleep(20);
  const again = [...begins.values()].filter((times) => times.length > 1).map(([a, b]) => b - a);
  second.child.kill("SIGKILL");
  return {
    "killed worker: jobs done of 40": ran.size,
    "its job back after ms": Math.round(Math.max(0, ...again)),
  };
}

/** What is left once the client has found the new server. */
async function leftAfterRestart(client: Client): Promise<number> {
  for (;;) {
    try {
      return await client.jobsLeft();
    } catch {
      await sleep(100);
    }
  }
}

/** Jobs that the engine confirmed and that are gone after SIGKILL and a new start. */
async function killedServer(bench: Bench): Promise<Row> {
  const before = await bench.client.jobsLeft();
  for (let i = 0; i < 500; i++) await bench.client.addJob(`survivor-${i}`);
  await bench.server.restart();
  const all = before + 500;
  return {
    "killed server: confirmed jobs lost": `${all - (await leftAfterRestart(bench.client))} of ${all}`,
  };
}

/** The same id again while it waits, and again after it was done. */
async function duplicates(bench: Bench): Promise<Row> {
  await bench.client.addJob("twice");
  const waiting = await bench.client.addJob("twice");
  const { next, child } = await startChild(bench, "worker", 0);
  await next((said) => said !== "ready" && said.done === "twice");
  await sleep(200);
  const done = await bench.client.addJob("twice");
  child.kill("SIGKILL");
  const word = (taken: boolean): string => (taken ? "taken again" : "refused");
  return { "same id while waiting": word(waiting), "same id after it was done": word(done) };
}

/** How many of 64 the engine takes where 16 are allowed, without a reader. */
async function bounded(bench: Bench): Promise<Row> {
  let taken = 0;
  for (let i = 0; i < 64; i++) {
    try {
      if (await bench.client.addJob(`few-${i}`)) taken++;
    } catch {
      break;
    }
  }
  return { "taken of 64 with a bound of 16": taken };
}

async function measure(candidate: Candidate, port: number): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), "reverie-bench-"));
  const server = await startServer(candidate, port, folder);
  const bench: Bench = { candidate, server, client: await candidate.open(port), children: [] };
  const parts = [
    jobsPerSecond,
    megabytesPerSecond,
    weightsLatency,
    killedWorker,
    duplicates,
    bounded,
    killedServer,
  ];
  let row: Row = { engine: candidate.name };
  for (const part of parts) {
    row = { ...row, ...(await part(bench)) };
    for (const child of bench.children.splice(0)) child.kill("SIGKILL");
  }
  await bench.client.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  return row;
}

const rows: Row[] = [];
for (const [i, candidate] of [nats, ...redisVariants].entries())
  rows.push(await measure(candidate, 14_300 + i));
const machine = `${cpus().length} x ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}`;
console.log(machine);
const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
console.table(
  Object.fromEntries(
    names.map((name) => [name, Object.fromEntries(rows.map((row) => [row.engine, row[name]]))]),
  ),
);
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine, rows }, null, 2));
process.exit(0);
