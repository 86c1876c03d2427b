/** @file NATS JetStream as the benchmark sees it: a work queue, an object store and a watched key, all in files. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AckPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";
import { leaseMs, type Candidate, type Client } from "./candidate.ts";

const streams = { jobs: 100_000, messages: 64, few: 16 };

async function open(port: number): Promise<Client> {
  const connection = await connect({ port, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const manager = await jetstreamManager(connection);
  for (const [name, limit] of Object.entries(streams)) {
    await manager.streams.add({
      name,
      subjects: [`${name}.x`],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      max_msgs: limit,
    });
    await manager.consumers.add(name, {
      durable_name: "all",
      ack_policy: AckPolicy.Explicit,
      ack_wait: leaseMs * 1e6,
    });
  }
  const stream = jetstream(connection);
  const objects = await new Objm(connection).create("weights");
  const records = await new Kvm(connection).create("latest");
  return {
    async addJob(id, data = new Uint8Array(256)) {
      const name = id.startsWith("few") ? "few" : "jobs";
      return !(await stream.publish(`${name}.x`, data, { msgID: id })).duplicate;
    },
    async work(run) {
      const consumer = await stream.consumers.get("jobs", "all");
      for await (const message of await consumer.consume({ max_messages: 1 })) {
        await run(message.headers?.get("Nats-Msg-Id") ?? "");
        await message.ackAck();
      }
    },
    jobsLeft: async () => (await manager.streams.info("jobs")).state.messages,
    async send(id, payload) {
      for (;;) {
        try {
          await stream.publish("messages.x", payload, { msgID: id, timeout: 20_000 });
          return;
        } catch (error) {
          if (!(error as Error).message.includes("maximum messages")) throw error;
        }
      }
    },
    async receive(count) {
      const consumer = await stream.consumers.get("messages", "all");
      let bytes = 0;
      let left = count;
      for await (const message of await consumer.consume({ max_messages: 16 })) {
        bytes += message.data.length;
        message.ack();
        if (--left === 0) break;
      }
      return bytes;
    },
    async putWeights(version, bytes) {
      await objects.putBlob({ name: "policy" }, bytes);
      await records.put("policy", String(version));
    },
    async onWeights(seen) {
      for await (const entry of await records.watch({ key: "policy", include: "updates" }))
        if (entry.operation === "PUT") seen((await objects.getBlob("policy")) ?? new Uint8Array());
    },
    close: () => connection.close(),
  };
}

/** JetStream with file storage; messages up to 8 MB. */
export const nats: Candidate = {
  name: "NATS JetStream, files",
  program: "/usr/sbin/nats-server",
  async args(port, folder) {
    const config = join(folder, "server.conf");
    const text = `port: ${port}\nmax_payload: 8MB\njetstream { store_dir: "${folder}" }\n`;
    await writeFile(config, text);
    return ["-c", config];
  },
  open,
};
