/** @file NATS JetStream as the benchmark sees it: a work queue, an object store and a watched key, all in files. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AckPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { Kvm, type KV } from "@nats-io/kv";
import { Objm, type ObjectStore } from "@nats-io/obj";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { leaseMs, type Candidate, type Client } from "./candidate.ts";

const streams = { jobs: 100_000, messages: 64, few: 16 };

async function makeStreams(manager: JetStreamManager): Promise<void> {
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
}

class NatsClient implements Client {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly objects: ObjectStore;
  readonly records: KV;

  constructor(connection: NatsConnection, manager: JetStreamManager, objects: ObjectStore, records: KV) {
    this.connection = connection;
    this.manager = manager;
    this.objects = objects;
    this.records = records;
  }

  async addJob(id: string, data = new Uint8Array(256)): Promise<boolean> {
    const name = id.startsWith("few") ? "few" : "jobs";
    return !(await jetstream(this.connection).publish(`${name}.x`, data, { msgID: id })).duplicate;
  }

  async work(run: (id: string) => Promise<void>): Promise<void> {
    const consumer = await jetstream(this.connection).consumers.get("jobs", "all");
    for await (const message of await consumer.consume({ max_messages: 1 })) {
      await run(message.headers?.get("Nats-Msg-Id") ?? "");
      await message.ackAck();
    }
  }

  async jobsLeft(): Promise<number> {
    return (await this.manager.streams.info("jobs")).state.messages;
  }

  async send(id: string, payload: Uint8Array): Promise<void> {
    for (;;) {
      try {
        await jetstream(this.connection).publish("messages.x", payload, { msgID: id, timeout: 20_000 });
        return;
      } catch (error) {
        if (!(error as Error).message.includes("maximum messages")) throw error;
      }
    }
  }

  async receive(count: number): Promise<number> {
    const consumer = await jetstream(this.connection).consumers.get("messages", "all");
    let bytes = 0;
    let left = count;
    for await (const message of await consumer.consume({ max_messages: 16 })) {
      bytes += message.data.length;
      message.ack();
      if (--left === 0) break;
    }
    return bytes;
  }

  async putWeights(version: number, bytes: Uint8Array): Promise<void> {
    await this.objects.putBlob({ name: "policy" }, bytes);
    await this.records.put("policy", String(version));
  }

  async onWeights(seen: (bytes: Uint8Array) => void): Promise<void> {
    for await (const entry of await this.records.watch({ key: "policy", include: "updates" }))
      if (entry.operation === "PUT") seen((await this.objects.getBlob("policy")) ?? new Uint8Array());
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

async function open(port: number): Promise<Client> {
  const connection = await connect({ port, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const manager = await jetstreamManager(connection);
  await makeStreams(manager);
  const objects = await new Objm(connection).create("weights");
  return new NatsClient(connection, manager, objects, await new Kvm(connection).create("latest"));
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
