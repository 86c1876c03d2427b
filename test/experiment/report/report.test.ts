/** @file The report and the table: what they show, that they stand alone, and that curves are drawn where they belong. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openMetrics } from "../../../src/experiment/records/metrics.ts";
import { linearTicks, logTicks, plotHtml, tickText } from "../../../src/experiment/report/report-plot.ts";
import { plotsOf, smooth, thin, unitOf } from "../../../src/experiment/report/report-series.ts";
import { reportHtml } from "../../../src/experiment/report/report.ts";
import { createRunDir } from "../../../src/experiment/records/run-dir.ts";
import type { ResultTable } from "../../../src/experiment/report/table.ts";
import { formatCell, tableText } from "../../../src/experiment/report/table.ts";
import { newFolder } from "../folders.ts";

const table: ResultTable = {
  title: "Final <table>",
  columns: [
    { key: "label", label: "policy" },
    { key: "return", label: "return", bar: true },
    { key: "crashes", label: "crashes", format: "percent", digits: 0 },
    { key: "frames", label: "frames", digits: 0 },
    { key: "speed", label: "speed", unit: "m/s" },
  ],
  rows: [
    {
      cells: {
        label: "random",
        return: { mean: -12.25, se: 1.5, n: 20 },
        crashes: 1,
        frames: 0,
        speed: null,
      },
    },
    {
      style: "emphasis",
      cells: { label: "learned", return: { mean: 250, se: 3 }, crashes: 0.05, frames: 20000, speed: 11 },
    },
  ],
  notes: ["20 episodes"],
};

function makeRun(): string {
  const path = join(newFolder(), "run");
  const run = createRunDir({ experiment: "fake", name: "tiny", seed: 1 }, path, ["run", "<x>.yaml"]);
  const metrics = openMetrics(path);
  for (let step = 0; step < 100; step++) {
    metrics.log("model", step, {
      "train/loss": 1 / (step + 1),
      "validation/loss": 2 / (step + 1),
      speedMps: step,
    });
  }
  metrics.close();
  run.writeStage("model", { status: "done", seconds: 90, peakMemoryBytes: 2 ** 30 });
  run.writeTable("10", table);
  run.addPicture("a.png", Uint8Array.of(1, 2, 3), 'real & "imagined"');
  run.addVideo("a.mp4", Uint8Array.of(4, 5), "the drive");
  run.close("done");
  return path;
}

describe("a result table as text", () => {
  it("aligns numbers to the right, marks its subject, and tells units and notes", () => {
    expect(tableText(table).split("\n")).toEqual([
      "Final <table>",
      "",
      "  policy        return  crashes  frames  speed [m/s]",
      "  ──────────────────────────────────────────────────",
      "  random   -12.3 ± 1.5    100 %       0            –",
      "▶ learned  250.0 ± 3.0      5 %  20\u202f000         11.0",
      "  * 20 episodes",
    ]);
  });

  it("writes each kind of cell as its column says", () => {
    const column = { key: "x", label: "x", digits: 2 };
    expect(formatCell(null, column)).toBe("–");
    expect(formatCell("n/a", column)).toBe("n/a");
    expect(formatCell({ mean: 0.5, se: 0.125 }, { ...column, format: "percent", digits: 1 })).toBe(
      "50.0 ± 12.5 %",
    );
    expect(formatCell(-1234567.891, column)).toBe("-1\u202f234\u202f567.89");
  });
});

describe("the report", () => {
  it("stands alone: no script, no address but data, everything inlined", () => {
    const html = reportHtml(makeRun());
    expect(html).not.toMatch(/<script|<link rel="stylesheet"|@import|https?:/);
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^data:/);
    expect(html).toContain(`data:image/png;base64,${Buffer.from([1, 2, 3]).toString("base64")}`);
    expect(html).toContain("data:video/mp4;base64,");
  });

  it("shows tables with errors and bars, figures of the marked row, times, memory and config", () => {
    const html = reportHtml(makeRun());
    expect(html).toContain('250.0<span class="se"> ± 3.0</span>');
    expect(html).toContain('<div class="card"><b>250.0<small> ± 3.0</small></b><span>return</span></div>');
    expect(html).toContain('class="whisker"');
    for (const part of ["1:30", "1.0 GiB", "experiment: fake", "20 episodes"]) expect(html).toContain(part);
  });

  it("escapes what users wrote", () => {
    const html = reportHtml(makeRun());
    expect(html).toContain("Final &lt;table&gt;");
    expect(html).toContain("real &amp; &quot;imagined&quot;");
    expect(html).toContain("&lt;x&gt;.yaml");
  });

  it("leaves out a picture whose file is gone and says that a run is unfinished", () => {
    const path = join(newFolder(), "run");
    const run = createRunDir({ experiment: "fake", name: "tiny", seed: 1 }, path);
    run.writeStage("model", { status: "running", seconds: 1, peakMemoryBytes: 1 });
    run.write("pictures/index.json", '[{"file":"gone.png","caption":"gone"}]');
    run.close("failed");
    const html = reportHtml(path);
    expect(html).not.toContain("gone");
    expect(html).toContain("unfinished");
  });

  it("of a run without metrics is still a page", () => {
    const path = join(newFolder(), "run");
    createRunDir({ experiment: "fake", name: "tiny", seed: 1 }, path).close("done");
    writeFileSync(join(path, "metrics.jsonl"), "");
    expect(reportHtml(path)).toContain("<h1>tiny</h1>");
  });
});

describe("curves", () => {
  const line = (stage: string, step: number, values: Record<string, number>) => ({
    stage,
    step,
    time: 0,
    ...values,
  });

  it("share axes when they measure the same thing of different parts, and never across stages", () => {
    const plots = plotsOf([
      line("a", 0, {
        "real/return": 1,
        "imagined/return": 2,
        "psnrDb@1": 3,
        "psnrDb@15": 4,
        loss: 5,
        "time/fps": 6,
      }),
      line("b", 0, { "real/return": 7 }),
    ]);
    expect(plots.map(({ stage, title, series }) => [stage, title, series.map(({ label }) => label)])).toEqual(
      [
        ["a", "return", ["real", "imagined"]],
        ["a", "psnrDb", ["@1", "@15"]],
        ["a", "loss", ["a"]],
        ["a", "time/fps", ["time"]],
        ["b", "real/return", ["real"]],
      ],
    );
  });

  it("of several seeds share a plot, and a single seed leaves no trace", () => {
    const lines = [3, 4].flatMap((seed) => [line(`policy-${seed}-round1`, 0, { loss: 1, "real/return": 2 })]);
    const shown = (seeds: number[]): unknown =>
      plotsOf(lines, seeds).map(({ stage, title, series }) => [
        stage,
        title,
        series.map(({ label }) => label),
      ]);
    expect(shown([3, 4])).toEqual([
      ["policy-round1", "loss", ["seed 3", "seed 4"]],
      ["policy-round1", "return", ["seed 3 real", "seed 4 real"]],
    ]);
    expect(plotsOf(lines.slice(0, 1), [3])[0]).toMatchObject({ stage: "policy-round1", title: "loss" });
    expect(plotsOf(lines.slice(0, 1), [5])[0].stage).toBe("policy-3-round1");
  });

  it("know their unit from their name", () => {
    expect(["speedMps", "psnrDb", "latencyMs", "loss", "items"].map(unitOf)).toEqual([
      "m/s",
      "dB",
      "ms",
      "",
      "",
    ]);
  });

  it("are smoothed without lag or bias: a constant and a line keep their values", () => {
    const line = Array.from({ length: 101 }, (_, i) => i);
    expect(smooth([4, 4, 4, 4], 10)).toEqual([4, 4, 4, 4]);
    expect(smooth(line, 5)[50]).toBeCloseTo(50, 6);
    expect(smooth([1, 9], 1)).toEqual([1, 9]);
  });

  it("are thinned without losing their extremes", () => {
    const y = Array.from({ length: 10_000 }, (_, i) => (i === 7777 ? 99 : i === 1234 ? -99 : Math.sin(i)));
    const thinned = thin({ label: "", x: y.map((_, i) => i), y }, 200);
    expect(thinned.x.length).toBeLessThanOrEqual(202);
    expect([Math.min(...thinned.y), Math.max(...thinned.y)]).toEqual([-99, 99]);
    expect(thinned.x.every((x, i) => i === 0 || x > thinned.x[i - 1])).toBe(true);
    expect(thinned.x.at(-1)).toBe(9999);
  });

  it("have round ticks within their range", () => {
    expect(linearTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
    expect(linearTicks(-3, 42, 5)).toEqual([0, 10, 20, 30, 40]);
    expect(logTicks(0.02, 30)).toEqual([0.1, 1, 10]);
    expect([0, 1500, 20_000, 3_500_000, 0.00002, 0.6000000000000001].map(tickText)).toEqual([
      "0",
      "1500",
      "20k",
      "3.5M",
      "2e-5",
      "0.6",
    ]);
  });

  it("are drawn inside their axes, on a log scale where they span more than two decades", () => {
    const steps = Array.from({ length: 50 }, (_, i) => i);
    const plot = (y: number[]): string =>
      plotHtml({ stage: "a", title: "t", unit: "", series: [{ label: "a", x: steps, y }] });
    expect(plot(steps.map((i) => Math.exp(-i)))).toContain("log scale");
    expect(plot(steps.map((i) => i - 25))).not.toContain("log scale");
    for (const html of [
      plot(steps.map(() => 3)),
      plot(steps.map((i) => Math.exp(-i))),
      plot(steps.map((i) => -i)),
    ]) {
      expect(html).not.toContain("NaN");
      for (const [, x, y] of html.matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)) {
        expect(Number(x)).toBeGreaterThanOrEqual(50);
        expect(Number(x)).toBeLessThanOrEqual(390);
        expect(Number(y)).toBeGreaterThanOrEqual(10);
        expect(Number(y)).toBeLessThanOrEqual(212);
      }
    }
  });

  it("of a single point and of none do no harm", () => {
    expect(
      plotHtml({ stage: "a", title: "t", unit: "", series: [{ label: "a", x: [3], y: [0] }] }),
    ).not.toContain("NaN");
    expect(plotHtml({ stage: "a", title: "t", unit: "", series: [] })).toBe("");
  });
});
