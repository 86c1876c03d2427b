/** @file An actor with payloads of known bytes, in a process of its own: fake-actor.ts <url> <queue> <count>. Tells what the hub has. */

import { createHash } from "node:crypto";
import { openHub } from "../../../src/experiment/machines/open-hub.ts";
import { TrajectoryWriter } from "../../../src/experiment/machines/trajectories.ts";
import { queueOptions } from "./known-queue.ts";

const [url, name, count] = process.argv.slice(2);
const hub = await openHub(url);
const writer = new TrajectoryWriter(await hub.queue(name, queueOptions));
for (let number = 0; number < Number(count); number++) {
  const payload = Buffer.alloc(60_000, `${writer.producer}/${number};`);
  await writer.put(number, payload);
  process.stdout.write(
    `${writer.producer}/${number} ${createHash("sha256").update(payload).digest("hex")}\n`,
  );
}
await hub.close();
