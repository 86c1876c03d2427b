/** @file Scatter plots: points where their values are, the line of equality, and no label that could break the page. */

import { describe, expect, it } from "vitest";
import { scatterSvg } from "../../../src/experiment/worldmodel-report/scatter.ts";

const at = (mean: number, se = 0) => ({ mean, se });

describe("a scatter plot", () => {
  const points = [
    { label: "a<b>", x: at(0, 1), y: at(0) },
    { label: "half", x: at(5), y: at(5) },
    { label: "best", x: at(10, 1), y: at(10) },
  ];
  const svg = scatterSvg({
    title: "returns & more",
    xLabel: "imagined",
    yLabel: "real",
    groups: [{ label: "test", points }],
    numbered: true,
  });

  it("puts points in proportion, y upwards", () => {
    const dots = [
      ...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="4" style="fill:[^"]+"\/><text/g),
    ].map(([, x, y]) => [Number(x), Number(y)]);
    expect(dots).toHaveLength(4);
    const [low, middle, high] = dots;
    expect(middle[0] - low[0]).toBeCloseTo(high[0] - middle[0], 0);
    expect(low[1] - middle[1]).toBeCloseTo(middle[1] - high[1], 0);
    expect(low[1]).toBeGreaterThan(high[1]);
    expect(svg).toContain("stroke-dasharray");
    for (const number of ["1", "2", "3"]) expect(svg).toContain(`>${number}</text>`);
  });

  it("is an image that stands alone, its words escaped", () => {
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).toContain("a&lt;b&gt;");
    expect(svg).toContain("returns &amp; more");
    expect(svg).not.toContain("a<b>");
  });
});
