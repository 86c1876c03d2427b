/** @file The dashboard's server: what it serves, whom it refuses, and what comes over its socket. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Dashboard, DashboardOptions } from "../../src/dashboard/server.ts";
import { openDashboard } from "../../src/dashboard/server.ts";
import { thrownBy } from "../experiment/folders.ts";
import type { FakeWorlds } from "./fakes.ts";
import { fakeWorlds, logLines, runFolder } from "./fakes.ts";

let open: Dashboard | undefined;

afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function start(options: Partial<DashboardOptions> = {}): Promise<Dashboard> {
  open = await openDashboard({ runs: [runFolder()], port: 0, pollMs: 20, ...options });
  return open;
}

interface Page {
  readonly texts: Record<string, unknown>[];
  readonly frames: Buffer[];
  send(message: unknown): void;
  /** The first text that `wanted` likes, past or to come. */
  text(wanted: (message: any) => boolean): Promise<any>;
  readonly socket: WebSocket;
}

async function openPage(url: string, headers: Record<string, string> = {}): Promise<Page> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), { headers });
  const texts: Record<string, unknown>[] = [];
  const frames: Buffer[] = [];
  const waiting = new Set<() => void>();
  socket.on("message", (data: Buffer, binary) => {
    if (binary) frames.push(data);
    else texts.push(JSON.parse(data.toString()) as Record<string, unknown>);
    for (const look of waiting) look();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve).once("error", reject);
  });
  return {
    texts,
    frames,
    socket,
    send: (message) => socket.send(JSON.stringify(message)),
    text: (wanted) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = texts.find(wanted);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
  };
}

const isOverview = ({ type }: { type: string }): boolean => type === "overview";

/** Wait until the server has worked off what was sent before. */
async function settled(page: Page): Promise<void> {
  const before = page.texts.filter(({ type }) => type === "world-error").length;
  page.send({ type: "look", mode: "watch", run: "nobody" });
  await page.text(() => page.texts.filter(({ type }) => type === "world-error").length > before);
}

describe("the page", () => {
  it("is served with its scripts and style, refers to nothing outside, and takes no writes", async () => {
    const { url } = await start();
    const answer = await fetch(url);
    const html = await answer.text();
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'self'");
    const referred = [...html.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, path]) => path);
    expect(referred.length).toBeGreaterThan(1);
    const imported = new Set(referred);
    for (const path of imported) {
      const text = await (await fetch(new URL(path, url))).text();
      expect(text).not.toMatch(/(?:from|import|src=|href=|url|fetch|WebSocket)\W{1,3}(?:https?:|\/\/)/);
      for (const [, inner] of text.matchAll(/from "([^"]+)"/g)) imported.add(inner);
    }
    expect([...imported]).toEqual(
      expect.arrayContaining(["/style.css", "/app.mjs", "/worlds.mjs", "/robots.mjs"]),
    );
    expect((await fetch(new URL("/../../package.json", url))).status).toBe(404);
    expect((await fetch(url, { method: "POST" })).status).toBe(405);
  });

  it("leaves the run's folder as it is", async () => {
    const folder = runFolder();
    const before = readFileSync(join(folder, "state.json"), "utf8");
    const { url } = await start({ runs: [folder] });
    const page = await openPage(url);
    const { runs } = await page.text(isOverview);
    page.send({ type: "follow", runs: [runs[0].id] });
    await page.text(({ type }) => type === "lines");
    expect(readFileSync(join(folder, "state.json"), "utf8")).toBe(before);
  });
});

describe("a token", () => {
  const token = "0123456789abcdef";

  it("is needed off loopback before anything is served", async () => {
    const error = await thrownBy(() => openDashboard({ runs: [], host: "0.0.0.0", port: 0 }));
    expect(error.message).toContain("REVERIE_DASHBOARD_TOKEN");
  });

  it("in the address becomes a cookie; without it neither page nor socket is open", async () => {
    const { url } = await start({ token });
    const bare = new URL("/", url).href;
    expect((await fetch(bare)).status).toBe(401);
    await expect(openPage(bare)).rejects.toThrow("401");
    const answer = await fetch(url, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/"]);
    const cookie = (answer.headers.get("set-cookie") ?? "").split(";")[0];
    expect((await fetch(bare, { headers: { cookie } })).status).toBe(200);
    const page = await openPage(bare, { cookie });
    expect(await page.text(isOverview)).toMatchObject({ mayPlay: false });
  });

  it("or none: a page of another site cannot open the socket", async () => {
    const { url } = await start();
    await expect(openPage(url, { origin: "http://evil.example" })).rejects.toThrow("403");
  });
});

describe("the socket", () => {
  it("tells runs and their stages, then the curves of those followed, then only what is new", async () => {
    const folder = runFolder();
    const { url } = await start({ runs: [folder] });
    const page = await openPage(url);
    const { runs } = await page.text(isOverview);
    expect(runs[0]).toMatchObject({ name: "tiny", stages: [{ status: "done" }, {}, { status: "waiting" }] });
    page.send({ type: "follow", runs: [runs[0].id] });
    const first = await page.text(({ type }) => type === "lines");
    expect(first).toMatchObject({
      whole: true,
      lines: [{ step: 0 }, { step: 1 }, { step: 2, "real/return": 2 }],
    });
    logLines(folder, [3]);
    const second = await page.text(({ whole }) => whole === false);
    expect(second.lines).toEqual([{ stage: "train", step: 3, loss: 0.25, "real/return": 3 }]);
  });

  it("is closed on a message that is none of the page's", async () => {
    const { url } = await start();
    const page = await openPage(url);
    const closed = new Promise<number>((resolve) => {
      page.socket.on("close", resolve);
    });
    page.send({ type: "delete", run: "x" });
    expect(await closed).toBe(1008);
  });
});

describe("worlds over the socket", () => {
  async function withWorlds(play: boolean): Promise<{ fakes: FakeWorlds; page: Page; run: string }> {
    const fakes = fakeWorlds();
    const { url } = await start({ openWorld: fakes.open, play });
    const page = await openPage(url);
    const { runs } = await page.text(isOverview);
    return { fakes, page, run: runs[0].id };
  }

  it("are only looked at unless playing was allowed: keys do nothing", async () => {
    const { fakes, page, run } = await withWorlds(false);
    page.send({ type: "look", mode: "play", run });
    const { message } = await page.text(({ type }) => type === "world-error");
    expect(message).toContain("--play");
    page.send({ type: "look", mode: "watch", run });
    page.send({ type: "key", key: "left", down: true });
    await settled(page);
    expect([fakes.opened.map(({ mode }) => mode), fakes.keys]).toEqual([["watch"], []]);
  });

  it("take keys where playing was allowed", async () => {
    const { fakes, page, run } = await withWorlds(true);
    page.send({ type: "look", mode: "play", run });
    page.send({ type: "key", key: "left", down: true });
    page.send({ type: "key", key: "left", down: false });
    await settled(page);
    expect(fakes.keys).toEqual(["left down", "left up"]);
    // Looking at a run that is not there has left the world.
    expect(fakes.opened[0].closed).toBe(true);
  });

  it("send a slow page two frames and then the newest of the rest", async () => {
    const { fakes, page, run } = await withWorlds(false);
    page.send({ type: "look", mode: "watch", run });
    await expect.poll(() => fakes.opened.length).toBe(1);
    for (let red = 1; red <= 40; red++) fakes.show(red);
    await expect.poll(() => page.frames.length).toBe(2);
    page.send({ type: "shown" });
    await expect.poll(() => page.frames.length).toBe(3);
    const told = page.frames.map((bytes) => /red (\d+)/.exec(bytes.toString("latin1"))?.[1]);
    expect(told).toEqual(["1", "2", "40"]);
  });

  it("end when the page is closed", async () => {
    const { fakes, page, run } = await withWorlds(false);
    page.send({ type: "look", mode: "watch", run });
    await expect.poll(() => fakes.opened.length).toBe(1);
    page.socket.close();
    await expect.poll(() => fakes.opened[0].closed).toBe(true);
  });
});
