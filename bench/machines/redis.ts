/** @file Redis with BullMQ as the benchmark sees it: jobs, payloads by reference, weights under a key with a notice. */

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { leaseMs, type Candidate, type Client } from "./candidate.ts";

/** Resolves when the worker is closed. */
function workUntilClosed(
  name: string,
  run: (id: string) => Promise<void>,
  connection: { port: number; maxRetriesPerRequest: null },
): { worker: Worker; ended: Promise<void> } {
  const worker = new Worker(name, async (job) => run(job.data.id as string), {
    connection,
    lockDuration: leaseMs,
    stalledInterval: leaseMs / 2,
    maxStalledCount: 10,
  });
  worker.on("error", () => undefined);
  return { worker, ended: new Promise((resolve) => void worker.once("closed", () => resolve())) };
}

async function open(port: number): Promise<Client> {
  const options = { port, maxRetriesPerRequest: null } as const;
  const redis = new Redis(options);
  redis.on("error", () => undefined);
  const listener = redis.duplicate();
  const once = { connection: options, defaultJobOptions: { removeOnComplete: true } };
  const [jobs, messages] = [new Queue("jobs", once), new Queue("messages", once)];
  for (const queue of [jobs, messages]) queue.on("error", () => undefined);
  const workers: Worker[] = [];
  return {
    async addJob(id, data = new Uint8Array(256)) {
      const before = await jobs.getJob(id);
      await jobs.add("job", { id, data: Buffer.from(data).toString("base64") }, { jobId: id });
      return before === undefined;
    },
    async work(run) {
      const { worker, ended } = workUntilClosed("jobs", run, options);
      workers.push(worker);
      await ended;
    },
    async jobsLeft() {
      const counts = await jobs.getJobCounts("waiting", "active");
      return counts.waiting + counts.active;
    },
    async send(id, payload) {
      await redis.set(id, Buffer.from(payload.buffer, payload.byteOffset, payload.length));
      await messages.add("message", { id }, { jobId: id });
    },
    async receive(count) {
      let [bytes, left] = [0, count];
      await new Promise<void>((resolve) => {
        const take = async (id: string): Promise<void> => {
          bytes += (await redis.getdelBuffer(id))?.length ?? 0;
          if (--left === 0) resolve();
        };
        workers.push(workUntilClosed("messages", take, options).worker);
      });
      return bytes;
    },
    async putWeights(version, bytes) {
      await redis.set("weights", Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      await redis.publish("weights", String(version));
    },
    async onWeights(seen) {
      await listener.subscribe("weights");
      listener.on("message", () => {
        void redis.getBuffer("weights").then((bytes) => seen(bytes ?? new Uint8Array()));
      });
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close(true)));
      await Promise.all([jobs.close(), messages.close()]);
      redis.disconnect();
      listener.disconnect();
    },
  };
}

function variant(name: string, settings: readonly string[]): Candidate {
  return {
    name,
    program: "redis-server",
    args: async (port, folder) => ["--port", String(port), "--dir", folder, ...settings],
    open,
  };
}

/** Redis as it stores for keeps (append-only file, synced every second), and as its package configures it. */
export const redisVariants = [
  variant("Redis + BullMQ, append-only file", ["--appendonly", "yes"]),
  variant("Redis + BullMQ, default snapshots", []),
];
