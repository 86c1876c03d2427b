/** @file Trajectories over a real server: each counted once, whoever is killed; old ones dropped; a full queue holds actors back. */

import { createHash } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import type { Hub } from "../../../src/experiment/machines/hub.ts";
import type { LedgerRecord } from "../../../src/experiment/machines/ledger.ts";
import { Ledger } from "../../../src/experiment/machines/ledger.ts";
import { makeMemoryHub } from "../../../src/experiment/machines/memory-hub.ts";
import { openNatsHub } from "../../../src/experiment/machines/nats-hub.ts";
import { TrajectoryReader, TrajectoryWriter } from "../../../src/experiment/machines/trajectories.ts";
import type { Trajectory } from "../../../src/experiment/machines/trajectories.ts";
import { finishWeights, publishWeights, WeightsFeed } from "../../../src/experiment/machines/weights.ts";
import { describeNeeding, natsServer } from "../../needing.ts";
import { thrownBy } from "../folders.ts";
import { queueOptions } from "./known-queue.ts";
import { startNats } from "./nats-server.ts";
import { startWorker } from "./workers.ts";

const never = new AbortController().signal;

/** `producer/number hash`, as the actor tells it. */
const lineOf = ({ producer, number, payload }: Trajectory): string =>
  `${producer}/${number} ${createHash("sha256").update(payload).digest("hex")}`;

/** What a learner has on disk: what it counted, and the ledger that says so, written at once. */
interface Checkpoint {
  readonly counted: readonly string[];
  readonly ledger: LedgerRecord;
}

const settings = { maxStaleness: 1e9, leaseSeconds: queueOptions.leaseSeconds };

/**
 * A learner's life: takes batches of five, checkpoints, settles, and dies after `lives[i]` batches: before its checkpoint
 * in even lives, between checkpoint and settling in odd ones. Ends when it has `goal.count`, and nothing more has come.
 */
async function learnThroughDeaths(hub: Hub, name: string, lives: readonly number[], goal: { count: number }) {
  let saved: Checkpoint = { counted: [], ledger: {} };
  let duplicates = 0;
  for (const [life, batches] of [...lives, Infinity].entries()) {
    const reader = new TrajectoryReader(await hub.queue(name, queueOptions), settings);
    reader.load(saved.ledger);
    for (let batch = 0; batch < batches; batch++) {
      const isEnd = saved.counted.length >= goal.count;
      const taken = isEnd
        ? await reader.take(1, 0, AbortSignal.timeout(3000)).catch(() => [])
        : await reader.take(5, 0, never);
      const dies = batch === batches - 1;
      if (taken.length === 0 || (dies && life % 2 === 0)) break;
      saved = { counted: [...saved.counted, ...taken.map(lineOf)], ledger: reader.record() };
      if (dies) break;
      await reader.settle();
    }
    duplicates += reader.counts.duplicates;
    await reader.close();
  }
  return { saved, duplicates };
}

const linesOf = (text: string): string[] => text.split("\n").slice(0, -1);

describeNeeding(natsServer, "trajectories over a server", () => {
  it(
    "are counted once each: an actor killed, the learner killed four times, the server restarted",
    { timeout: 90_000 },
    async () => {
      const server = await startNats();
      const hub = await openNatsHub(server.url);
      const start = (count: number) => startWorker("fake-actor.ts", [server.url, "t", String(count)]);
      const [first, second, doomed] = [start(50), start(40), start(1000)];
      const goal = { count: Infinity };
      const learning = learnThroughDeaths(hub, "t", [2, 3, 2, 2], goal);
      await doomed.printed(/\n/);
      await doomed.kill();
      await server.restart();
      const pending = linesOf(doomed.text()).length;
      const successor = start(15 - (pending % 5));
      goal.count = 50 + 40 + pending + 15 - (pending % 5);
      // Before the learner, which would wait for ever for what an actor that failed has not sent.
      for (const actor of [first, second, successor]) expect(await actor.ended(), actor.text()).toBe(0);
      const { saved, duplicates } = await learning;
      const sent = [first, second, successor, doomed].flatMap((actor) => linesOf(actor.text()));
      expect(sent).toHaveLength(goal.count);
      expect(new Set(saved.counted).size).toBe(saved.counted.length);
      expect(sent.filter((line) => !saved.counted.includes(line))).toEqual([]);
      // One more than was told may have arrived: its actor died before it heard of it.
      expect(saved.counted.length - sent.length).toBeLessThanOrEqual(1);
      expect(duplicates).toBeGreaterThan(0);
      await hub.close();
      await server.kill();
    },
  );
});

describe("a ledger", () => {
  it("counts each number once, in any order, and stays small", () => {
    const ledger = new Ledger();
    expect([0, 2, 1, 1, 2, 3].map((number) => ledger.count("a", number))).toEqual([
      true,
      true,
      true,
      false,
      false,
      true,
    ]);
    expect(ledger.count("b", 1)).toBe(true);
    expect(ledger.record()).toEqual({ a: { below: 4, beyond: [] }, b: { below: 0, beyond: [1] } });
    const again = new Ledger(ledger.record());
    expect([again.count("a", 3), again.count("b", 1), again.count("b", 0)]).toEqual([false, false, true]);
  });
});

describe("a learner's reader", () => {
  it("drops what is older than the bound, and says how much", async () => {
    const queue = await makeMemoryHub().queue("t", queueOptions);
    const writer = new TrajectoryWriter(queue);
    for (const version of [0, 3, 1, 5]) await writer.put(version, Buffer.from("x"));
    const reader = new TrajectoryReader(queue, { ...settings, maxStaleness: 2 });
    const taken = await reader.take(2, 5, never);
    expect(taken.map(({ version }) => version)).toEqual([3, 5]);
    expect(reader.counts).toEqual({ counted: 2, duplicates: 0, stale: 2 });
    await reader.close();
  });

  it("lets go of what it counted before: a queue full of duplicates does not stop it", async () => {
    const queue = await makeMemoryHub().queue("t", { ...queueOptions, capacity: 2 });
    const known = new Ledger();
    for (let number = 0; number < 2; number++) known.count("a", number);
    const [reader, writer] = [new TrajectoryReader(queue, settings), new TrajectoryWriter(queue)];
    Object.assign(writer, { producer: "a" });
    reader.load(known.record());
    const writing = (async () => {
      for (let number = 0; number < 3; number++) await writer.put(0, Buffer.from("x"));
    })();
    const taken = await reader.take(1, 0, never);
    await writing;
    expect([taken[0].number, reader.counts.duplicates]).toEqual([2, 2]);
    await reader.close();
  });

  it("refuses a trajectory whose bytes were changed, once", async () => {
    const queue = await makeMemoryHub().queue("t", queueOptions);
    const forged = `${JSON.stringify({ producer: "a", number: 0, version: 0, sha256: "0" })}\nx`;
    await queue.put("a/0", Buffer.from(forged));
    const reader = new TrajectoryReader(queue, settings);
    const error = await thrownBy(() => reader.take(1, 0, never));
    expect(error.message).toMatch(/\[PROTOCOL\] trajectory a\/0 is damaged/);
    await new TrajectoryWriter(queue).put(0, Buffer.from("whole"));
    const [whole] = await reader.take(1, 0, never);
    expect(Buffer.from(whole.payload).toString()).toBe("whole");
    await reader.close();
  });

  it("holds actors back while what it took is in no checkpoint yet", async () => {
    const queue = await makeMemoryHub().queue("t", { ...queueOptions, capacity: 2 });
    const writer = new TrajectoryWriter(queue);
    const reader = new TrajectoryReader(queue, settings);
    for (let i = 0; i < 2; i++) await writer.put(0, Buffer.from("x"));
    await reader.take(2, 0, never);
    let sent = false;
    const third = writer.put(0, Buffer.from("x")).then(() => (sent = true));
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
    expect(sent).toBe(false);
    await reader.settle();
    await third;
    await reader.close();
  });
});

describe("weights", () => {
  it("come newest first, skip what was overtaken, and end when the learner has finished", async () => {
    const hub = makeMemoryHub();
    const place = { records: await hub.records("w"), objects: await hub.objects("w") };
    const feed = new WeightsFeed(place, never);
    const newest = async () => {
      const weights = await feed.newest();
      return weights && `${weights.version}: ${Buffer.from(weights.bytes).toString()}`;
    };
    const first = newest();
    await publishWeights(place, 0, Buffer.from("zero"));
    expect(await first).toBe("0: zero");
    for (let version = 1; version < 6; version++)
      await publishWeights(place, version, Buffer.from(`v${version}`));
    await vi.waitFor(async () => expect(await newest()).toBe("5: v5"));
    expect([await place.objects.has("weights-2"), await place.objects.has("weights-3")]).toEqual([
      false,
      true,
    ]);
    await finishWeights(place, 6);
    await vi.waitFor(async () => expect(await newest()).toBeUndefined());
    expect(feed.signal.aborted).toBe(true);
  });
});
