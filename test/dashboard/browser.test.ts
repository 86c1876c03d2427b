/** @file The dashboard in a real browser: what a person sees, and that nothing is loaded from elsewhere. */

import type { Browser, Page } from "playwright-core";
import { chromium as driver } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findProgram } from "../../src/cli/doctor.ts";
import type { Dashboard } from "../../src/dashboard/server.ts";
import { openDashboard } from "../../src/dashboard/server.ts";
import { chromium, describeNeeding } from "../needing.ts";
import type { FakeWorlds } from "./fakes.ts";
import { fakeWorlds, lock, logLines, runFolder } from "./fakes.ts";

describeNeeding(chromium, "the dashboard in Chromium", () => {
  let [browser, dashboard, page]: [Browser?, Dashboard?, Page?] = [];
  let folder = "";
  let fakes: FakeWorlds;
  const outside: string[] = [];
  const troubles: string[] = [];
  const shown = (): Page => page as Page;
  const view = (name: string): Promise<void> => shown().click(`nav [data-view=${name}]`);

  beforeAll(async () => {
    folder = runFolder();
    lock(folder);
    fakes = fakeWorlds();
    const other = runFolder({ name: "other", train: { rate: 0.5 } });
    const bridges = ["http://127.0.0.1:9"];
    const options = { runs: [folder, other], bridges, port: 0, pollMs: 100, play: true };
    dashboard = await openDashboard({ ...options, openWorld: fakes.open });
    browser = await driver.launch({ executablePath: findProgram(chromium.program), args: ["--no-sandbox"] });
    page = await browser.newPage();
    page.on("request", (request) => {
      if (!request.url().startsWith(dashboard?.url ?? "") && !/^(data|blob):/.test(request.url()))
        outside.push(request.url());
    });
    page.on("pageerror", (error) => troubles.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") troubles.push(message.text());
    });
    await page.goto(dashboard.url);
    await page.waitForSelector("#runs li");
  });

  afterAll(async () => {
    await browser?.close();
    await dashboard?.close();
  });

  it("shows the stage at work, its share and the time left", async () => {
    const card = shown().locator("#overview article").first();
    expect(await card.innerText()).toMatch(
      /tiny[^]*running[^]*1 \/ 3[^]*0:30|30 s[^]*1:30[^]*train 42 % · loss 0\.5/,
    );
    expect(await card.locator(".bar i").getAttribute("style")).toBe("width: 42%;");
  });

  it("draws curves of both runs, smoothed as asked, and goes on when the run does", async () => {
    await view("curves");
    const plot = shown().locator("figure", { hasText: "loss" });
    await plot.locator("svg").waitFor();
    expect(await plot.locator("path.line").count()).toBe(2);
    await shown().locator("#smoothing").fill("0");
    await expect.poll(() => plot.locator("path.raw").count()).toBe(0);
    logLines(folder, [3, 4]);
    await expect.poll(() => plot.locator(".legend").innerText()).toContain("tiny: 0.2");
    await plot.locator("svg").hover({ position: { x: 60, y: 60 } });
    expect(await plot.locator(".legend").innerText()).toMatch(/tiny: 1 at 0/);
    await shown().fill("#filter", "return");
    await expect.poll(() => shown().locator("figure").count()).toBe(1);
    await shown().fill("#filter", "");
  });

  it("shows a run no more when it is not chosen", async () => {
    await view("curves");
    const plot = shown().locator("figure", { hasText: "loss" });
    await shown().locator("#runs input").nth(1).uncheck();
    await expect.poll(() => plot.locator("path.line").count()).toBe(1);
    await shown().locator("#runs input").nth(1).check();
    await expect.poll(() => plot.locator("path.line").count()).toBe(2);
  });

  it("puts the fields that differ first", async () => {
    await view("config");
    const rows = shown().locator("#config tbody tr.differs");
    await expect.poll(() => rows.count()).toBe(2);
    expect(await rows.nth(1).innerText()).toMatch(/train\.rate\s+0\.1\s+0\.5/);
  });

  it("shows the real world large, its dreams beside it, and what the policy does", async () => {
    await view("worlds");
    await shown().click("#watch");
    await expect.poll(() => fakes.opened.length).toBe(1);
    fakes.show(200);
    await shown().waitForSelector("#stage canvas");
    expect(await shown().locator("#dreams canvas").count()).toBe(2);
    expect(await shown().locator("#stage .view").first().innerText()).toMatch(
      /real[^]*red 200[^]*steer[^]*-0\.50[^]*pedal[^]*1\.00/,
    );
    const red = await shown()
      .locator("canvas")
      .first()
      .evaluate((canvas: any) => canvas.getContext("2d").getImageData(1, 1, 1, 1).data[0]);
    expect(red).toBe(200);
    fakes.show(90);
    await expect.poll(() => shown().locator("#stage .view").first().innerText()).toContain("red 90");
  });

  it("plays with the arrow keys", async () => {
    await view("worlds");
    await shown().click("#play");
    await expect.poll(() => fakes.opened.length).toBe(2);
    fakes.show(10);
    await shown().keyboard.down("ArrowLeft");
    await shown().keyboard.up("ArrowLeft");
    await expect.poll(() => fakes.keys).toEqual(["left down", "left up"]);
    await shown().click("#leave");
    await expect.poll(() => fakes.opened[1].closed).toBe(true);
  });

  it("says that a bridge cannot be reached", async () => {
    await view("robots");
    await expect.poll(() => shown().locator("#robots").innerText()).toContain("unreachable");
  });

  it("is as readable in the dark and does not scroll sideways on a phone", async () => {
    const ground = () =>
      shown().evaluate(
        () => (globalThis as any).getComputedStyle((globalThis as any).document.body).backgroundColor,
      );
    const light = await ground();
    await shown().emulateMedia({ colorScheme: "dark" });
    expect(await ground()).not.toBe(light);
    await shown().setViewportSize({ width: 390, height: 800 });
    for (const name of ["overview", "curves", "worlds", "config", "robots"]) {
      await view(name);
      const wide = await shown().evaluate(() => (globalThis as any).document.documentElement.scrollWidth);
      expect([name, wide]).toEqual([name, 390]);
    }
  });

  it("has asked nothing of anyone else and met no error", () => {
    expect([outside, troubles]).toEqual([[], []]);
  });
});
