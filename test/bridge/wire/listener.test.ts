/** @file The door: who is refused, before any handler sees them, and how a server ends. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { checkExposure, isLoopback, makeAccess } from "../../../src/bridge/auth.ts";
import type { BridgeEvent } from "../../../src/bridge/server/events.ts";
import { type Listener, type ListenerOptions, openListener } from "../../../src/bridge/server/listener.ts";
import type { Peer, PeerHandler } from "../../../src/bridge/server/peer.ts";
import { stopOnSignals } from "../../../src/bridge/server/signals.ts";
import { Wire } from "./socket.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Served {
  listener: Listener;
  /** What handlers saw. */
  seen: string[];
  events: BridgeEvent[];
  peers: Peer[];
}

async function serve(
  options: Partial<ListenerOptions> = {},
  handler: Partial<PeerHandler> = {},
): Promise<Served> {
  const seen: string[] = [];
  const events: BridgeEvent[] = [];
  const peers: Peer[] = [];
  const accept = (peer: Peer): PeerHandler => {
    seen.push("accepted");
    peers.push(peer);
    return {
      message: (bytes) => void seen.push(`message of ${bytes.length}`),
      closed: (code) => void seen.push(`closed ${code}`),
      ...handler,
    };
  };
  const listener = await openListener(accept, {
    port: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  cleanups.push(() => listener.close());
  return { listener, seen, events, peers };
}

/** The HTTP status that an upgrade is answered with. */
function upgradeStatus(url: string, headers: Record<string, string> = {}): Promise<number> {
  const { socket } = new Wire(url, { headers });
  return new Promise((resolve) => {
    socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
    socket.on("open", () => (socket.terminate(), resolve(101)));
  });
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe("who may connect", () => {
  it("is refused for a wrong or missing token before any handler", async () => {
    const { listener, seen, events } = await serve({ token: "a-long-enough-token" });
    const key = (value: string): Record<string, string> => ({ Authorization: value });
    expect(await upgradeStatus(listener.url)).toBe(401);
    for (const wrong of [
      "Api-Key a-long-enough-toke",
      "Api-Key ",
      "Basic a-long-enough-token",
      "Api-Key a-long-enough-token x",
    ]) {
      expect(await upgradeStatus(listener.url, key(wrong)), wrong).toBe(401);
    }
    expect(seen).toEqual([]);
    expect(events.map((event) => event.type === "refused" && event.reason)).toEqual(Array(5).fill("token"));
    expect(await upgradeStatus(listener.url, key("Api-Key a-long-enough-token"))).toBe(101);
    expect(await upgradeStatus(listener.url, key("bearer a-long-enough-token"))).toBe(101);
  });

  it("is refused for a foreign Origin before any handler, and browsers of the list come in", async () => {
    const { listener, seen } = await serve({ allowedOrigins: ["https://lab.example"] });
    for (const origin of ["https://evil.example", "null", "https://lab.example.evil", "http://lab.example"]) {
      expect(await upgradeStatus(listener.url, { Origin: origin }), origin).toBe(403);
    }
    expect(seen).toEqual([]);
    expect(await upgradeStatus(listener.url, { Origin: "https://LAB.example" })).toBe(101);
    expect(await upgradeStatus(listener.url)).toBe(101);
  });

  it("is closed with 1009 for a message above maxBytes, which no handler sees", async () => {
    const { listener, seen } = await serve({ limits: { maxBytes: 1000 } });
    const wire = new Wire(listener.url);
    wire.socket.on("open", () => wire.send(new Uint8Array(1001)));
    expect((await wire.closed).code).toBe(1009);
    await until(() => seen.length === 2);
    expect(seen).toEqual(["accepted", expect.stringMatching(/^closed/)]);
  });

  it("is refused above maxConnections", async () => {
    const { listener } = await serve({ limits: { maxConnections: 1 } });
    const wire = new Wire(listener.url);
    await new Promise((resolve) => wire.socket.on("open", resolve));
    expect(await upgradeStatus(listener.url)).toBe(503);
    wire.close();
    await until(() => listener.connections === 0);
    expect(await upgradeStatus(listener.url)).toBe(101);
  });

  it("negotiates no compression, even when asked", async () => {
    const { listener } = await serve();
    const wire = new Wire(listener.url, { perMessageDeflate: true });
    await new Promise((resolve) => wire.socket.on("open", resolve));
    expect(wire.socket.extensions).toBe("");
  });

  it("selects a subprotocol that both speak", async () => {
    const { listener } = await serve({ protocols: ["foxglove.websocket.v1"] });
    const { WebSocket } = await import("ws");
    const socket = new WebSocket(listener.url, ["other", "foxglove.websocket.v1"]);
    await new Promise((resolve) => socket.on("open", resolve));
    expect(socket.protocol).toBe("foxglove.websocket.v1");
    socket.terminate();
  });
});

describe("addresses", () => {
  it("listens on 127.0.0.1 unless told otherwise, and refuses others without a long token", async () => {
    const { listener } = await serve();
    expect(listener.url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    const open = (options: Partial<ListenerOptions>) => serve({ host: "0.0.0.0", ...options });
    await expect(open({})).rejects.toThrow(/UNAUTHORIZED.*\n.*at least 16/);
    await expect(open({ token: "short" })).rejects.toThrow(/shorter token/);
    await expect(open({ tokens: { a: "x".repeat(16), b: "short" } })).rejects.toThrow(/UNAUTHORIZED/);
    expect((await open({ token: "x".repeat(16) })).listener.port).toBeGreaterThan(0);
  });

  it("knows loopback from what only looks like it", () => {
    for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
      expect(isLoopback(host), host).toBe(true);
    for (const host of ["0.0.0.0", "::", "", "127.evil.example", "10.0.0.1", "192.168.1.4"])
      expect(isLoopback(host), host).toBe(false);
    expect(() => checkExposure("", {})).toThrow(/UNAUTHORIZED/);
  });

  it("refuses empty tokens, and one token for two principals", () => {
    expect(() => makeAccess({ token: "" })).toThrow(/INVALID_ARGUMENT/);
    expect(() => makeAccess({ tokens: { a: "same", b: "same" } })).toThrow(/INVALID_ARGUMENT/);
    expect(makeAccess({}).guarded).toBe(false);
  });
});

describe("what hostile peers can do", () => {
  it("survives targets that are no URL, half requests and garbage", async () => {
    const { listener } = await serve();
    const raw = (text: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTcp(listener.port, "127.0.0.1");
        let answer = "";
        socket.on("data", (data) => (answer += data.toString()));
        socket.on("close", () => resolve(answer));
        socket.on("error", () => undefined);
        socket.end(text);
      });
    expect(await raw("GET // HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(/404/);
    expect(
      await raw("GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ).toMatch(/400|426/);
    await raw("\x16\x03\x01\x02\x00\x01");
    await raw("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    expect(await upgradeStatus(listener.url)).toBe(101);
  });

  it("closes the connection whose handler throws, and only that one", async () => {
    const { listener, events } = await serve(
      {},
      {
        message: () => {
          throw new Error("bug");
        },
      },
    );
    const [bad, good] = [new Wire(listener.url), new Wire(listener.url)];
    await Promise.all([bad, good].map((wire) => new Promise((resolve) => wire.socket.on("open", resolve))));
    bad.send(new Uint8Array(1));
    expect((await bad.closed).code).toBe(1011);
    expect(good.socket.readyState).toBe(good.socket.OPEN);
    expect(events).toContainEqual(expect.objectContaining({ type: "fault", message: "bug" }));
  });

  it("stops reading from a peer that does not read, and so keeps its memory", async () => {
    const chunk = new Uint8Array(100_000);
    const { listener, peers } = await serve(
      { limits: { maxBufferedBytes: 400_000 } },
      {
        message: () => peers[0].send(chunk),
      },
    );
    const wire = new Wire(listener.url);
    await new Promise((resolve) => wire.socket.on("open", resolve));
    (wire.socket as unknown as { _socket: { pause(): void } })._socket.pause();
    for (let i = 0; i < 500; i++) wire.send(new Uint8Array(50_000));
    let most = 0;
    for (let i = 0; i < 30; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      most = Math.max(most, peers[0].bufferedBytes);
    }
    expect(most).toBeGreaterThan(400_000);
    expect(most).toBeLessThan(3_000_000);
  });

  it("drops peers that give no sign of life, and measures the round trip of the others", async () => {
    const { listener, events } = await serve({ keepalive: { intervalMs: 20, timeoutMs: 150 } });
    const wires = [new Wire(listener.url, { autoPong: false }), new Wire(listener.url)];
    expect((await wires[0].closed).code).toBe(4002);
    expect(wires[1].socket.readyState).toBe(wires[1].socket.OPEN);
    expect(events.filter(({ type }) => type === "roundtrip").length).toBeGreaterThan(2);
  });
});

describe("HTTP beside the sockets", () => {
  it("answers /healthz to anybody, and routes only to those with the token", async () => {
    const state: { trouble?: string } = {};
    const { listener } = await serve({
      token: "a-token",
      health: () => state.trouble,
      routes: { "/metrics": (_request, response) => void response.end("up 1\n") },
    });
    const at = `http://127.0.0.1:${listener.port}`;
    const get = async (path: string, headers = {}): Promise<[number, string]> => {
      const response = await fetch(at + path, { headers });
      return [response.status, await response.text()];
    };
    expect(await get("/healthz")).toEqual([200, "OK\n"]);
    state.trouble = "no model";
    expect(await get("/healthz")).toEqual([503, "no model\n"]);
    expect(await get("/metrics")).toEqual([401, ""]);
    expect(await get("/metrics?x", { Authorization: "Api-Key a-token" })).toEqual([200, "up 1\n"]);
    expect((await get("/other", { Authorization: "Api-Key a-token" }))[0]).toBe(404);
  });
});

describe("the end of a server", () => {
  it("lets work under way finish, refuses newcomers, and closes with 1001", async () => {
    let finish: (() => void) | undefined;
    const { listener } = await serve({}, { drain: () => new Promise<void>((resolve) => (finish = resolve)) });
    const wire = new Wire(listener.url);
    await new Promise((resolve) => wire.socket.on("open", resolve));
    const drained = listener.drain();
    await expect(fetch(`http://127.0.0.1:${listener.port}/healthz`)).rejects.toThrow(/fetch failed/);
    expect(wire.socket.readyState).toBe(wire.socket.OPEN);
    finish?.();
    expect((await wire.closed).code).toBe(1001);
    await drained;
  });

  it("drops what does not finish within drainMs", async () => {
    const { listener } = await serve({ drainMs: 50 }, { drain: () => new Promise(() => undefined) });
    const wire = new Wire(listener.url);
    await new Promise((resolve) => wire.socket.on("open", resolve));
    await listener.drain();
    expect((await wire.closed).code).toBe(1001);
  });

  it("comes once with SIGTERM, and leaves the handlers as they were", async () => {
    const before = process.listenerCount("SIGTERM");
    let stops = 0;
    stopOnSignals(async () => void stops++);
    process.emit("SIGTERM");
    expect([stops, process.listenerCount("SIGTERM")]).toEqual([1, before]);
    stopOnSignals(async () => void stops++)();
    expect(process.listenerCount("SIGTERM")).toBe(before);
  });
});

describe("TLS", () => {
  it("serves wss with the given certificate", async () => {
    const folder = mkdtempSync(join(tmpdir(), "reverie-tls-"));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        key,
        "-out",
        cert,
      ],
      { stdio: "ignore" },
    );
    const { listener, seen } = await serve({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
    expect(listener.url).toMatch(/^wss:/);
    const trusting = new Wire(listener.url, { ca: readFileSync(cert) });
    await new Promise((resolve) => trusting.socket.on("open", resolve));
    trusting.send(new Uint8Array(3));
    await until(() => seen.includes("message of 3"));
    const doubting = new Wire(listener.url);
    expect((await doubting.closed).code).toBe(1006);
  });
});
