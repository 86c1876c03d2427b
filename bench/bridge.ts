/** @file `npm run bench:bridge`: observation to action, and remote env steps, against a bare `ws` echo of the same bytes. */

import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { encode, type WireMap } from "../src/bridge/codec.ts";
import { openRemotePolicy } from "../src/bridge/remote-policy.ts";
import { openRemoteVectorEnv } from "../src/bridge/remote.ts";
import { zeros } from "../src/core/ndarray.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    rounds: { type: "string", default: "9" },
    count: { type: "string", default: "150" },
    warmup: { type: "string", default: "1000" },
  },
});
const rounds = Number(values.rounds);
const count = Number(values.count);
/** Trips before anything is counted: robots talk for hours, so the compiler is done for all of their time. */
const warmup = Number(values.warmup);

interface Urls {
  readonly echo: string;
  readonly worker: string;
  readonly local: string;
  readonly env: string;
}

/** One way to make a round trip. */
interface Contender {
  readonly name: string;
  readonly trip: () => Promise<unknown>;
  readonly close: () => unknown;
}

interface Row {
  readonly case: string;
  readonly contender: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
  /** p50 over the bare echo's in the same run. */
  readonly ratio: number;
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

const ascending = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b);

/** Rounds of all contenders in turn, so that whatever else the machine does meets them alike. */
async function race(title: string, contenders: readonly Contender[]): Promise<Row[]> {
  const took = contenders.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { trip }] of contenders.entries()) {
      for (let trial = 0; trial < (round < 0 ? warmup : count); trial++) {
        const startMs = performance.now();
        await trip();
        if (round >= 0) took[i].push(performance.now() - startMs);
      }
    }
  }
  await Promise.all(contenders.map(({ close }) => close()));
  const sorted = took.map(ascending);
  const bare = at(sorted[0], 0.5);
  return contenders.map(({ name }, i) => {
    const p50Ms = at(sorted[i], 0.5);
    return {
      case: title,
      contender: name,
      p50Ms,
      p99Ms: at(sorted[i], 0.99),
      perSecond: 1000 / p50Ms,
      ratio: p50Ms / bare,
    };
  });
}

/** Send these bytes, await whatever comes back. */
async function echoOf(url: string, bytes: Uint8Array): Promise<Contender> {
  const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 2 ** 30 });
  await new Promise((resolve) => socket.once("open", resolve));
  const trip = (): Promise<unknown> =>
    new Promise((resolve) => {
      socket.once("message", resolve);
      socket.send(bytes);
    });
  return { name: "bare ws echo", trip, close: () => socket.terminate() };
}

async function policyOf(name: string, url: string, observation: WireMap): Promise<Contender> {
  const policy = await openRemotePolicy({ url, timeoutMs: 10_000 });
  return { name, trip: () => policy.infer(observation), close: () => policy.close() };
}

async function racePolicy(urls: Urls, [height, width]: readonly [number, number]): Promise<Row[]> {
  const image = zeros("uint8", [height, width, 3]);
  image.data.forEach((_, i) => (image.data[i] = (i * 31) % 256));
  const observation: WireMap = {
    "observation/image": image,
    "observation/state": zeros("float32", [8]),
    prompt: "pick up the fork",
  };
  return race(`observation ${width} x ${height} -> 50 actions`, [
    await echoOf(`${urls.echo}/actions`, encode(observation)),
    await policyOf("policy server, inference in a worker", urls.worker, observation),
    await policyOf("policy server, inference on its thread", urls.local, observation),
  ]);
}

async function raceEnvs(urls: Urls): Promise<Row[]> {
  const numEnvs = 64;
  const actions = zeros("float32", [numEnvs, 7]);
  const env = await openRemoteVectorEnv({ url: urls.env, numEnvs });
  await env.reset({ seed: 1 });
  const remote: Contender = {
    name: "RemoteVectorEnv",
    trip: () => env.step(actions),
    close: () => env.close(),
  };
  const rows = await race("64 remote envs 64 x 64", [
    await echoOf(`${urls.echo}/batch`, encode({ actions })),
    remote,
  ]);
  return rows.map((row) => ({ ...row, perSecond: row.perSecond * numEnvs }));
}

function show(rows: readonly Row[]): void {
  console.table(
    rows.map(({ p50Ms, p99Ms, perSecond, ratio, ...names }) => ({
      ...names,
      "p50 ms": p50Ms.toFixed(3),
      "p99 ms": p99Ms.toFixed(2),
      "per s": Math.round(perSecond),
      "x echo": ratio.toFixed(2),
    })),
  );
}

const child = fork(fileURLToPath(new URL("./bridge/servers.ts", import.meta.url)), {
  execArgv: ["--import", "tsx"],
});
const urls = await new Promise<Urls>((resolve) =>
  child.once("message", (message) => resolve(message as Urls)),
);
const rows: Row[] = [];
for (const size of [
  [64, 64],
  [224, 224],
  [480, 640],
] as const)
  rows.push(...(await racePolicy(urls, size)));
rows.push(...(await raceEnvs(urls)));
child.kill();
const machine = `${cpus().length} x ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}`;
console.log(
  `${machine}; ${rounds} rounds of ${count} after ${warmup}; "per s" of the last case counts env steps`,
);
show(rows);
if (values.json !== undefined)
  writeFileSync(values.json, JSON.stringify({ machine, rounds, count, warmup, rows }, null, 2));
