/** @file The dashboard's parts: following files, latest frame wins, worlds under keys, bridges' figures, who may look. */

import type { IncomingMessage } from "node:http";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { thinLines } from "../../src/dashboard/client.ts";
import { makeGate, requireToken } from "../../src/dashboard/exposure.ts";
import { describeRun, findRuns, followMetrics } from "../../src/dashboard/feed.ts";
import { encodeMoment } from "../../src/dashboard/frame.ts";
import { makeLatestSender } from "../../src/dashboard/latest.ts";
import { askBridge, bridgeView, parseSamples } from "../../src/dashboard/robots.ts";
import { heldAction, playShow, runShow, watchShow } from "../../src/dashboard/world-loop.ts";
import { makeWorlds, openWorldProcess } from "../../src/dashboard/worlds.ts";
import type { PlayStep, PlayWorld } from "../../src/experiment/play/play.ts";
import { fakeWorlds, lock, runFolder } from "./fakes.ts";

describe("following a run", () => {
  it("reads what is appended, once a line is whole", () => {
    const folder = runFolder();
    const path = join(folder, "metrics.jsonl");
    const tail = followMetrics(path);
    tail.poll();
    expect(tail.lines.map(({ step }) => step)).toEqual([0, 1, 2]);
    appendFileSync(path, '{"stage":"train","st');
    tail.poll();
    expect(tail.lines).toHaveLength(3);
    appendFileSync(path, 'ep":3,"time":1,"loss":0}\nnot json\n');
    tail.poll();
    expect(tail.lines[3]).toMatchObject({ step: 3, loss: 0 });
    expect([tail.lines.length, tail.damaged, tail.generation]).toEqual([4, 1, 0]);
  });

  it("starts over when a resumed run has taken lines back", () => {
    const folder = runFolder();
    const path = join(folder, "metrics.jsonl");
    const tail = followMetrics(path);
    tail.poll();
    writeFileSync(`${path}.new`, `${'{"stage":"train","step":9,"time":1}\n'.repeat(40)}`);
    renameSync(`${path}.new`, path);
    tail.poll();
    expect([tail.generation, tail.lines.length, tail.lines[0].step]).toEqual([1, 40, 9]);
  });

  it("tells stages to come, the share and the time left of the one at work", () => {
    const folder = runFolder();
    expect(describeRun(folder).status).toBe("stopped");
    lock(folder);
    const run = describeRun(folder);
    expect(run.status).toBe("running");
    expect(run.stages.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "collect done",
      "train running",
      "judge waiting",
    ]);
    expect(run.stages[1].progress).toMatchObject({ fraction: 0.42, totalEtaSeconds: 90 });
    expect(run.config).toMatchObject({ "train.rate": "0.1", name: "tiny" });
  });

  it("finds runs in a folder of runs and in a sweep's folder, and new ones later", () => {
    const folder = runFolder();
    const above = dirname(folder);
    expect(findRuns([above])).toEqual([folder]);
    writeFileSync(
      join(above, "sweep.json"),
      JSON.stringify({ children: [{ name: "run" }, { name: "not-begun" }] }),
    );
    expect(findRuns([above, folder])).toEqual([folder]);
    rmSync(join(folder, "config.yaml"));
    expect(findRuns([above])).toEqual([]);
  });

  it("thins a long history to a limit per stage, keeping both ends", () => {
    const lines = Array.from({ length: 1001 }, (_, step) => ({ stage: "a", step, time: 0 }));
    const few = thinLines([...lines, { stage: "b", step: 0, time: 0 }], 100);
    expect(few.length).toBeLessThanOrEqual(103);
    expect([few[0].step, few.at(-2)?.step, few.at(-1)?.stage]).toEqual([0, 1000, "b"]);
  });
});

describe("latest frame wins", () => {
  it("a viewer that does not keep up gets the newest frame, never a queue", () => {
    const sent: number[] = [];
    const sender = makeLatestSender(([first]) => void sent.push(first));
    for (let i = 1; i <= 50; i++) sender.offer(Uint8Array.of(i));
    expect([sent, sender.dropped]).toEqual([[1, 2], 47]);
    sender.acknowledge();
    expect(sent).toEqual([1, 2, 50]);
    sender.acknowledge();
    sender.acknowledge();
    expect(sent).toEqual([1, 2, 50]);
    sender.offer(Uint8Array.of(51));
    expect(sent.at(-1)).toBe(51);
  });
});

describe("worlds", () => {
  const frame = { height: 1, width: 1, data: Uint8Array.of(1, 2, 3) };

  function counting(): PlayWorld & { actions: number[][]; seeds: number[]; closed: boolean } {
    const step = (reward: number, terminated: boolean): PlayStep => ({
      frame,
      reward,
      terminated,
      truncated: false,
      note: "n",
    });
    return {
      title: "w",
      actionNames: ["steer", "pedal"],
      bindings: [
        ["right", "left"],
        ["down", "up"],
      ],
      stepSeconds: 0.001,
      actions: [],
      seeds: [],
      closed: false,
      async reset(seed) {
        this.seeds.push(seed);
        return step(0, false);
      },
      async step(action) {
        this.actions.push([...action]);
        return step(1, this.actions.length % 4 === 0);
      },
      async close() {
        this.closed = true;
      },
    };
  }

  it("are steered by the keys that are down, pause, end, and start over with the next seed", async () => {
    const world = counting();
    const show = playShow([world]);
    await show.next();
    show.key("left", true);
    show.key("up", true);
    await show.next();
    show.key("left", false);
    const { panels } = await show.next();
    expect(world.actions).toEqual([
      [1, 1],
      [0, 1],
    ]);
    expect(panels[0]).toMatchObject({
      title: "w",
      action: [0, 1],
      lines: ["step 2 · reward 1.00 · sum 2.0", "n", ""],
    });
    show.key(" ", true);
    expect((await show.next()).title).toBe("seed 0, paused");
    expect(world.actions).toHaveLength(2);
    show.key(" ", true);
    await show.next();
    await show.next();
    expect((await show.next()).panels[0].lines[2]).toBe("ended: r starts over");
    expect(world.actions).toHaveLength(4);
    show.key("r", true);
    expect((await show.next()).title).toBe("seed 1");
    expect(world.seeds).toEqual([0, 1]);
    expect(heldAction([["right", "left"]], new Set(["left", "right"]))).toEqual(Float32Array.of(0));
  });

  it("show the real one first and the dreams behind it, and are closed when nobody looks", async () => {
    const view = { frame, action: [0.5], note: "x" };
    let closed = false;
    const world = {
      title: "t",
      actionNames: ["a"],
      stepSeconds: 0.001,
      step: async () => ({ real: view, dreams: [view, view] }),
      close: async () => void (closed = true),
    };
    const stop = new AbortController();
    const titles: string[] = [];
    await runShow(
      watchShow(world),
      ({ panels }) => {
        titles.push(panels.map(({ title }) => title).join());
        if (titles.length === 3) stop.abort();
      },
      stop.signal,
    );
    expect(titles).toEqual(Array(3).fill("real,dream 1,dream 2"));
    expect(closed).toBe(true);
  });

  it("are shared by their viewers, closed with the last one, and at most three at once", () => {
    const fakes = fakeWorlds();
    const worlds = makeWorlds(fakes.open);
    const seen: string[] = [];
    const viewer = (name: string) => ({
      frame: () => void seen.push(name),
      error: (text: string) => void seen.push(text),
    });
    const leaveA = worlds.join("watch", "/r", viewer("a"));
    const leaveB = worlds.join("watch", "/r", viewer("b"));
    expect(fakes.opened).toHaveLength(1);
    fakes.show(9);
    expect(seen).toEqual(["a", "b"]);
    leaveA();
    expect(fakes.opened[0].closed).toBe(false);
    leaveB();
    expect([fakes.opened[0].closed, worlds.count]).toEqual([true, 0]);
    for (const run of ["/1", "/2", "/3", "/4"]) worlds.join("watch", run, viewer(run));
    expect(seen.at(-1)).toContain("3 worlds are open already");
    expect(fakes.opened).toHaveLength(4);
    worlds.close();
    expect(fakes.opened.every(({ closed }) => closed)).toBe(true);
  });

  it("live in a process of their own, which says why there is nothing to see", async () => {
    const message = await new Promise<string>((resolve) => {
      openWorldProcess("watch", "/nowhere", { frame: () => resolve("a frame"), error: resolve });
    });
    expect(message).toContain("/nowhere is not the folder of a run");
  }, 60_000);

  it("travel as a head and PNGs that anyone can read", () => {
    const message = encodeMoment({
      mode: "watch",
      title: "t",
      actionNames: [],
      panels: [{ title: "p", frame, action: [], lines: [] }],
    });
    const bytes = Buffer.from(message);
    const length = bytes.readUInt32LE(0);
    const head = JSON.parse(bytes.toString("utf8", 4, 4 + length)) as { panels: { bytes: number }[] };
    expect(bytes.length).toBe(4 + length + head.panels[0].bytes);
    expect(bytes.subarray(4 + length + 1, 4 + length + 4).toString()).toBe("PNG");
  });
});

const prometheus = `# HELP reverie_connections Connections open now.
reverie_connections 2
reverie_robot_armed 1
reverie_robot_connected 0
reverie_robot_stops_total{reason="late \\"frame\\""} 3
reverie_robot_refused_total{reason="stale"} 4
reverie_robot_setpoints_total{kind="hold"} 5
reverie_robot_setpoints_total{kind="follow"} 6
reverie_robot_action_seconds{quantile="0.5"} 0.004
reverie_robot_action_seconds{quantile="0.99"} 0.02
reverie_robot_action_seconds_count 7
reverie_robot_setpoint_interval_seconds{quantile="0.99"} NaN
`;

describe("a bridge", () => {
  it("is read from its Prometheus page: safety state, latency, reasons", () => {
    expect(bridgeView("u", parseSamples(prometheus))).toEqual({
      url: "u",
      connections: 2,
      connected: false,
      armed: true,
      latencyMs: { "0.5": 4, "0.99": 20 },
      intervalMs: {},
      stops: { 'late "frame"': 3 },
      refused: { stale: 4 },
      faults: {},
      limited: 0,
      setpoints: 11,
      missedTicks: 0,
    });
  });

  it("is asked with its token, and told as unreachable when it is", async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      response.writeHead(request.headers.authorization === "Bearer secret" ? 200 : 401).end(prometheus);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    const url = `ws://127.0.0.1:${port}`;
    expect((await askBridge(url, "secret")).armed).toBe(true);
    expect((await askBridge(url, undefined)).error).toBe("HTTP 401");
    await new Promise((resolve) => server.close(resolve));
    expect((await askBridge(url, "secret")).error).toBeDefined();
    expect(asked).toEqual(["/metrics Bearer secret", "/metrics undefined"]);
  });
});

describe("who may look", () => {
  const asking = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage;

  it.each([
    ["0.0.0.0", undefined],
    ["0.0.0.0", "short"],
    ["192.168.1.4", ""],
    ["127.0.0.1", ""],
  ])("refuses to start on %s with token %j", (host, token) => {
    expect(() => requireToken(host, token)).toThrow(/UNAUTHORIZED/);
  });

  it("starts on loopback without a token and elsewhere with a long one", () => {
    for (const host of ["127.0.0.1", "localhost", "::1"])
      expect(() => requireToken(host, undefined)).not.toThrow();
    expect(() => requireToken("0.0.0.0", "0123456789abcdef")).not.toThrow();
  });

  it("lets no page of another site and no bent name in", () => {
    const gate = makeGate("127.0.0.1", undefined);
    expect(gate.refuse(asking({ host: "127.0.0.1:1", origin: "http://127.0.0.1:1" }))).toBeUndefined();
    expect(gate.refuse(asking({ host: "127.0.0.1:1", origin: "http://evil.example" }))).toBe(403);
    expect(gate.refuse(asking({ host: "evil.example:1" }))).toBe(403);
  });

  it("wants the token as a bearer or in the cookie that it gave", () => {
    const gate = makeGate("0.0.0.0", "0123456789abcdef");
    const host = "robot:1";
    expect(gate.refuse(asking({ host }))).toBe(401);
    expect(gate.refuse(asking({ host, authorization: "Bearer 0123456789abcdee" }))).toBe(401);
    expect(gate.refuse(asking({ host, authorization: "Bearer 0123456789abcdef" }))).toBeUndefined();
    expect(gate.cookieFor("wrong")).toBeUndefined();
    const cookie = gate.cookieFor("0123456789abcdef") ?? "";
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
    expect(gate.refuse(asking({ host, cookie: cookie.split(";")[0] }))).toBeUndefined();
  });
});
