/** @file A process of the benchmark: a worker, a sender or a reader of weights; child.ts <candidate> <port> <role> <args…>. */

import { setTimeout as sleep } from "node:timers/promises";
import { nats } from "./nats.ts";
import { redisVariants } from "./redis.ts";

const [name, port, role, ...args] = process.argv.slice(2);
const candidate = [nats, ...redisVariants].find((one) => one.name === name)!;
const client = await candidate.open(Number(port));
const tell = (message: unknown): void => void process.send?.(message);

const roles: Readonly<Record<string, () => Promise<void>>> = {
  /** Takes jobs of args[0] ms. */
  worker: async () => {
    tell("ready");
    await client.work(async (id) => {
      tell({ begun: id });
      if (Number(args[0]) > 0) await sleep(Number(args[0]));
      tell({ done: id });
    });
  },
  /** Sends args[1] messages of args[0] bytes, four on the way at a time. */
  sender: async () => {
    const [size, count] = args.map(Number);
    const payload = new Uint8Array(size).map((_, i) => i * 31);
    tell("ready");
    const going = new Set<Promise<void>>();
    for (let i = 0; i < count; i++) {
      const sent = client.send(`${size}-${i}`, payload).finally(() => going.delete(sent));
      going.add(sent);
      if (going.size >= 4) await Promise.race(going);
    }
    await Promise.all(going);
  },
  reader: async () => {
    const watching = client.onWeights((bytes) => tell({ bytes: bytes.length }));
    await sleep(200);
    tell("ready");
    await watching;
  },
};
await roles[role]();
