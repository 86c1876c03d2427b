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

const asBuffer = ({ buffer, byteOffset, length }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, length);

class RedisClient implements Client {
  readonly options: { port: number; maxRetriesPerRequest: null };
  readonly redis: Redis;
  readonly listener: Redis;
  readonly jobs: Queue;
  readonly messages: Queue;
  readonly workers: Worker[] = [];

  constructor(port: number) {
    this.options = { port, maxRetriesPerRequest: null };
    this.redis = new Redis(this.options);
    this.listener = this.redis.duplicate();
    const settings = { connection: this.options, defaultJobOptions: { removeOnComplete: true } };
    this.jobs = new Queue("jobs", settings);
    this.messages = new Queue("messages", settings);
    for (const part of [this.redis, this.listener, this.jobs, this.messages])
      part.on("error", () => undefined);
  }

  async addJob(id: string, data = new Uint8Array(256)): Promise<boolean> {
    const before = await this.jobs.getJob(id);
    await this.jobs.add("job", { id, data: Buffer.from(data).toString("base64") }, { jobId: id });
    return before === undefined;
  }

  async work(run: (id: string) => Promise<void>): Promise<void> {
    const { worker, ended } = workUntilClosed("jobs", run, this.options);
    this.workers.push(worker);
    await ended;
  }

  async jobsLeft(): Promise<number> {
    const counts = await this.jobs.getJobCounts("waiting", "active");
    return counts.waiting + counts.active;
  }

  async send(id: string, payload: Uint8Array): Promise<void> {
    await this.redis.set(id, asBuffer(payload));
    await this.messages.add("message", { id }, { jobId: id });
  }

  async receive(count: number): Promise<number> {
    let [bytes, left] = [0, count];
    await new Promise<void>((resolve) => {
      const take = async (id: string): Promise<void> => {
        bytes += (await this.redis.getdelBuffer(id))?.length ?? 0;
        if (--left === 0) resolve();
      };
      this.workers.push(workUntilClosed("messages", take, this.options).worker);
    });
    await Promise.all(this.workers.splice(0).map((worker) => worker.close()));
    return bytes;
  }

  async putWeights(version: number, bytes: Uint8Array): Promise<void> {
    await this.redis.set("weights", asBuffer(bytes));
    await this.redis.publish("weights", String(version));
  }

  async onWeights(seen: (bytes: Uint8Array) => void): Promise<void> {
    await this.listener.subscribe("weights");
    this.listener.on("message", () => {
      void this.redis.getBuffer("weights").then((bytes) => seen(bytes ?? new Uint8Array()));
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close(true)));
    await Promise.all([this.jobs.close(), this.messages.close()]);
    this.redis.disconnect();
    this.listener.disconnect();
  }
}

function variant(name: string, settings: readonly string[]): Candidate {
  return {
    name,
    program: "redis-server",
    args: async (port, folder) => ["--port", String(port), "--dir", folder, ...settings],
    open: async (port) => new RedisClient(port),
  };
}

/** Redis as it stores for keeps (append-only file, synced every second), and as its package configures it. */
export const redisVariants = [
  variant("Redis + BullMQ, append-only file", ["--appendonly", "yes"]),
  variant("Redis + BullMQ, default snapshots", []),
];
