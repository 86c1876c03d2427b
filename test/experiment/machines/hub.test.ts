/** @file One suite for every hub: the embedded one and the one on a real NATS server keep the same rules. */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Hub, Queue } from "../../../src/experiment/machines/hub.ts";
import { makeMemoryHub } from "../../../src/experiment/machines/memory-hub.ts";
import { openNatsHub } from "../../../src/experiment/machines/nats-hub.ts";
import { describeNeeding, natsServer, openssl } from "../../needing.ts";
import { newFolder, thrownBy } from "../folders.ts";
import { startNats, type TestServer } from "./nats-server.ts";
import { startWorker } from "./workers.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString();

/** One after another, each done. */
async function drain(queue: Queue): Promise<string[]> {
  const ids: string[] = [];
  for (let got = await queue.take(1000); got !== undefined; got = await queue.take(1000)) {
    ids.push(got.id);
    await got.done();
  }
  return ids;
}

function conforms(open: () => Promise<Hub>): void {
  let hub: Hub;
  let count = 0;
  const queueOf = (options: Partial<{ capacity: number; leaseSeconds: number; maxHeld: number }> = {}) =>
    hub.queue(`queue-${count++}`, { capacity: 100, leaseSeconds: 30, maxHeld: 100, ...options });

  beforeAll(async () => {
    hub = await open();
  });
  afterAll(async () => {
    await hub.close();
  });

  it("delivers what was put, in order, once it is taken and done never again", async () => {
    const queue = await queueOf();
    for (const id of ["a", "b", "c"]) expect(await queue.put(id, bytes(`of ${id}`))).toBe(true);
    const first = await queue.take(1000);
    expect([first?.id, text(first?.data), first?.attempt]).toEqual(["a", "of a", 1]);
    await first?.done();
    await first?.done();
    expect(await drain(queue)).toEqual(["b", "c"]);
  });

  it("refuses an id that it knows, waiting or done", async () => {
    const queue = await queueOf();
    await queue.put("a", bytes("1"));
    expect(await queue.put("a", bytes("2"))).toBe(false);
    expect(await drain(queue)).toEqual(["a"]);
    expect(await queue.put("a", bytes("3"))).toBe(false);
    expect(await drain(queue)).toEqual([]);
  });

  it("gives an item to one taker at a time, and to another when it is given back", async () => {
    const queue = await queueOf();
    await queue.put("a", bytes("1"));
    const first = await queue.take(1000);
    expect(await queue.take(1000)).toBeUndefined();
    await first?.giveBack();
    const again = await queue.take(1000);
    expect([again?.id, again?.attempt]).toEqual(["a", 2]);
  });

  it("delivers again what a silent taker holds, but not what one keeps", async () => {
    const queue = await queueOf({ leaseSeconds: 2 });
    await queue.put("kept", bytes("1"));
    await queue.put("lost", bytes("1"));
    const kept = await queue.take(1000);
    await queue.take(1000);
    const timer = setInterval(() => kept?.keep(), 200);
    const again = await queue.take(4500);
    expect([again?.id, again?.attempt]).toEqual(["lost", 2]);
    await again?.done();
    expect(await queue.take(1000)).toBeUndefined();
    clearInterval(timer);
  });

  it("makes a putter wait while the queue is full, held items included", async () => {
    const queue = await queueOf({ capacity: 2 });
    await queue.put("a", bytes("1"));
    await queue.put("b", bytes("1"));
    const held = await queue.take(1000);
    const stop = new AbortController();
    const refused = thrownBy(() => queue.put("never", bytes("1"), stop.signal));
    let stored = false;
    const third = queue.put("c", bytes("1")).then(() => (stored = true));
    stop.abort(new Error("stopped"));
    expect((await refused).message).toBe("stopped");
    expect(stored).toBe(false);
    await held?.done();
    await third;
    expect(await drain(queue)).toEqual(["b", "c"]);
  });

  it("holds back the rest when as many are held as may be", async () => {
    const queue = await queueOf({ maxHeld: 1 });
    await queue.put("a", bytes("1"));
    await queue.put("b", bytes("1"));
    const held = await queue.take(1000);
    expect(await queue.take(1000)).toBeUndefined();
    await held?.done();
    expect((await queue.take(1000))?.id).toBe("b");
  });

  it("refuses an item and an object that are too large, by code", async () => {
    const queue = await queueOf();
    const large = new Uint8Array(hub.maxItemBytes + 1);
    const error = await thrownBy(() => queue.put("large", large));
    expect([error.code, error.message]).toEqual(["TOO_LARGE", expect.stringContaining(`${large.length}`)]);
    expect(await queue.put("fits", large.subarray(1))).toBe(true);
    const objects = await hub.objects("large");
    const huge = { length: 2 ** 30 + 1 } as unknown as Uint8Array;
    expect((await thrownBy(() => objects.put("huge", huge))).code).toBe("TOO_LARGE");
  });

  it("keeps a record's first value for `create`, the last for `set`", async () => {
    const records = await hub.records("records");
    expect(await records.get("a")).toBeUndefined();
    expect(await records.create("a", bytes("1"))).toBe(true);
    expect(await records.create("a", bytes("2"))).toBe(false);
    expect(await records.create("a", bytes("1"))).toBe(true);
    expect(text(await records.get("a"))).toBe("1");
    await records.set("a", bytes("3"));
    expect(text(await records.get("a"))).toBe("3");
    expect(await records.keys()).toEqual(["a"]);
    await records.remove("a");
    expect([await records.get("a"), await records.keys()]).toEqual([undefined, []]);
  });

  it("shows a watcher what is there and what changes, until it is stopped", async () => {
    const records = await hub.records("watched");
    await records.set("a", bytes("1"));
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const [key, value] of records.watch(stop.signal)) {
      seen.push(`${key}=${text(value)}`);
      if (seen.length === 1) await records.set("b", bytes("2"));
      if (seen.length === 2) await records.set("a", bytes("3"));
      if (seen.length === 3) stop.abort();
    }
    expect(seen).toEqual(["a=1", "b=2", "a=3"]);
  });

  it("stores large objects whole", async () => {
    const objects = await hub.objects("objects");
    const large = new Uint8Array(5_000_000).map((_, i) => (i * i) % 251);
    expect([await objects.has("large"), await objects.get("large")]).toEqual([false, undefined]);
    await objects.put("large", large);
    expect(await objects.has("large")).toBe(true);
    expect(Buffer.compare((await objects.get("large"))!, large)).toBe(0);
    await objects.remove("large");
    expect([await objects.has("large"), await objects.get("large")]).toEqual([false, undefined]);
  });

  it("has what it was given, whatever becomes of the giver's array", async () => {
    const [queue, records, objects] = [await queueOf(), await hub.records("own"), await hub.objects("own")];
    const mine = Buffer.from("before");
    await queue.put("a", mine);
    await records.set("a", mine);
    await objects.put("a", mine);
    mine.write("AFTER!");
    expect(text((await queue.take(1000))?.data)).toBe("before");
    expect(text(await records.get("a"))).toBe("before");
    expect(text(await objects.get("a"))).toBe("before");
  });

  it("forgets a name with everything behind it", async () => {
    const options = { capacity: 1, leaseSeconds: 30, maxHeld: 1 };
    await (await hub.queue("gone", options)).put("a", bytes("1"));
    await (await hub.records("gone")).set("a", bytes("1"));
    await hub.forget("gone");
    await hub.forget("gone");
    expect(await (await hub.queue("gone", options)).put("a", bytes("2"))).toBe(true);
    expect(await (await hub.records("gone")).get("a")).toBeUndefined();
  });
}

describe.concurrent("the hub in memory", () => {
  conforms(async () => makeMemoryHub(2 ** 20));
});

describeNeeding(natsServer, "the hub on a NATS server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.kill());
  describe.concurrent("as any", () => {
    conforms(() => openNatsHub(server.url));
  });

  it("is refused by code: nobody there, a wrong token, no JetStream, no URL", async () => {
    const guarded = await startNats('authorization { token: "correct" }');
    const bare = "nats://127.0.0.1:1";
    const withToken = (token: string): string => guarded.url.replace("//", `//${token}@`);
    const codeOf = async (url: string): Promise<unknown> => (await thrownBy(() => openNatsHub(url))).code;
    expect(await codeOf(bare)).toBe("SERVER_UNREACHABLE");
    expect(await codeOf(withToken("wrong"))).toBe("UNAUTHORIZED");
    expect(await codeOf(guarded.url)).toBe("UNAUTHORIZED");
    expect(await codeOf("http://127.0.0.1:1")).toBe("INVALID_ARGUMENT");
    const hub = await openNatsHub(withToken("correct"));
    expect(hub.address).toBe(guarded.url);
    await hub.close();
    await guarded.kill();
  });

  it("is joined in the moment in which its server is restarted", async () => {
    const restarting = await startNats();
    await restarting.kill();
    const joining = openNatsHub(restarting.url);
    await pause(300);
    // Going away, it may still take a connection and drop it, before or after it has said who it is.
    const leaving = createServer();
    leaving.listen(Number(new URL(restarting.url).port), "127.0.0.1");
    const [early] = (await once(leaving, "connection")) as [Socket];
    early.destroy();
    const [late] = (await once(leaving, "connection")) as [Socket];
    late.write(
      'INFO {"server_id":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576}\r\n',
    );
    await once(late, "data");
    late.destroy();
    leaving.close();
    await pause(300);
    await restarting.restart();
    await (await joining).close();
    await restarting.kill();
  });

  it("waits for a server that says for a while that it stores nothing, as one that is going away does", async () => {
    const unequipped = await startNats();
    const hub = await openNatsHub(unequipped.url);
    const queue = await hub.queue("q", { capacity: 10, leaseSeconds: 1, maxHeld: 10 });
    const records = await hub.records("r");
    const { config } = unequipped.files;
    const whole = readFileSync(config, "utf8");
    await unequipped.restart("SIGTERM", () => writeFileSync(config, whole.replace(/^jetstream.*$/m, "")));
    // Not before the client has connected again: a request that is lost is only made again after seconds.
    await pause(1000);
    const writing = Promise.all([queue.put("item", bytes("1")), records.set("key", bytes("2"))]);
    expect(await Promise.race([writing, pause(2000)])).toBeUndefined();
    await unequipped.restart("SIGTERM", () => writeFileSync(config, whole));
    expect((await writing)[0]).toBe(true);
    expect(await drain(queue)).toEqual(["item"]);
    await hub.close();
    await unequipped.kill();
  });

  it("gets back what the server believes to be done, though nobody has finished it", async () => {
    const forgetful = await startNats();
    const hub = await openNatsHub(forgetful.url);
    const options = { capacity: 10, leaseSeconds: 1, maxHeld: 10 };
    const [finished, stranded] = [await hub.queue("finished", options), await hub.queue("stranded", options)];
    for (const queue of [finished, stranded])
      for (let i = 0; i < 6; i++) await queue.put(`item-${i}`, bytes("1"));
    for (let i = 0; i < 4; i++) await (await finished.take(1000))?.done();
    // What a killed server was seen to come back with: a floor above items that are in the stream.
    await forgetful.restart("SIGTERM", () => {
      const stateOf = (name: string): string => join(forgetful.files.streams, name, "obs", "all", "o.dat");
      copyFileSync(stateOf("finished"), stateOf("stranded"));
    });
    const got = new Set<string>();
    await vi.waitFor(
      async () => {
        const item = await stranded.take(100);
        if (item !== undefined) got.add(item.id);
        await item?.done();
        expect([...got].toSorted()).toEqual(Array.from({ length: 6 }, (_, i) => `item-${i}`));
      },
      { timeout: 30_000, interval: 0 },
    );
    await hub.close();
    await forgetful.kill();
  });

  it("goes on over a server that is killed and started again: nothing stored is lost or doubled", async () => {
    const hub = await openNatsHub(server.url);
    const queue = await hub.queue("restart", { capacity: 10, leaseSeconds: 30, maxHeld: 10 });
    const records = await hub.records("restart");
    await queue.put("before", bytes("1"));
    await queue.put("held", bytes("1"));
    const held = await queue.take(1000);
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const [key] of records.watch(stop.signal)) if (seen.push(key) === 2) stop.abort();
    })();
    await records.set("first", bytes("1"));
    const restarted = server.restart("SIGKILL");
    const put = queue.put("during", bytes("1"));
    const done = held?.done();
    await restarted;
    expect(await put).toBe(true);
    await done;
    expect(await queue.put("before", bytes("1"))).toBe(false);
    expect(await drain(queue)).toEqual(["held", "during"]);
    await records.set("second", bytes("1"));
    await watching;
    expect(seen).toEqual(["first", "second"]);
    await hub.close();
  });
});

describeNeeding(natsServer, "the hub on a server that wants encryption", () => {
  describeNeeding(openssl, "with a certificate of its own", () => {
    it("is reached over TLS by whoever trusts the server's certificate, and by nobody else", async () => {
      const [key, cert] = ["key", "cert"].map((name) => join(newFolder(), `${name}.pem`));
      const subject = ["-subj", "/CN=hub", "-addext", "subjectAltName=DNS:localhost"];
      const made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        cert,
      ];
      execFileSync(openssl.program, [...made, ...subject], { stdio: "ignore" });
      const encrypted = await startNats(`tls { cert_file: "${cert}", key_file: "${key}" }`);
      const url = encrypted.url.replace("nats://127.0.0.1", "tls://localhost");
      const trusting = startWorker("fake-actor.ts", [url, "t", "1"], { NODE_EXTRA_CA_CERTS: cert });
      const doubting = startWorker("fake-actor.ts", [url, "t", "1"]);
      expect(await trusting.ended(), trusting.text()).toBe(0);
      expect(await doubting.ended()).not.toBe(0);
      expect(doubting.text()).toContain("certificate");
      await encrypted.kill();
    });
  });
});
