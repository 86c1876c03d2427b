/** @file Overlap of two oriented rectangles by separating axes. */

import type { Pose } from "./road.ts";

/** Half length and half width in m. */
export interface Extent {
  readonly halfLengthM: number;
  readonly halfWidthM: number;
}

/** Is there no gap between `a` and `b` along either axis of `a`? */
function overlapsOnAxes(a: Pose, extentA: Extent, b: Pose, extentB: Extent): boolean {
  const dx = b.xM - a.xM;
  const dy = b.yM - a.yM;
  const cosA = Math.cos(a.yawRad);
  const sinA = Math.sin(a.yawRad);
  const cos = Math.abs(Math.cos(b.yawRad - a.yawRad));
  const sin = Math.abs(Math.sin(b.yawRad - a.yawRad));
  const along = Math.abs(dx * cosA + dy * sinA);
  const across = Math.abs(dy * cosA - dx * sinA);
  return (
    along < extentA.halfLengthM + extentB.halfLengthM * cos + extentB.halfWidthM * sin &&
    across < extentA.halfWidthM + extentB.halfLengthM * sin + extentB.halfWidthM * cos
  );
}

/** Do two oriented rectangles, given by centre and heading, overlap? */
export function boxesOverlap(a: Pose, extentA: Extent, b: Pose, extentB: Extent): boolean {
  const reach =
    Math.hypot(extentA.halfLengthM, extentA.halfWidthM) + Math.hypot(extentB.halfLengthM, extentB.halfWidthM);
  const dx = b.xM - a.xM;
  const dy = b.yM - a.yM;
  if (dx * dx + dy * dy >= reach * reach) return false;
  return overlapsOnAxes(a, extentA, b, extentB) && overlapsOnAxes(b, extentB, a, extentA);
}
