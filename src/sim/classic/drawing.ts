/** @file Pictures of the classic-control environments, in Gymnasium's geometry and colours, y upwards. */

import type { Canvas, Rgb } from "../raster.ts";
import { clearCanvas, fillPolygon } from "../raster.ts";

type Point = readonly [x: number, y: number];

const white: Rgb = [255, 255, 255];
const black: Rgb = [0, 0, 0];
const wood: Rgb = [202, 152, 101];
const axle: Rgb = [129, 132, 203];
const red: Rgb = [204, 77, 77];
const grey: Rgb = [128, 128, 128];
const yellow: Rgb = [204, 204, 0];
const teal: Rgb = [0, 204, 204];

function polygon(canvas: Canvas, points: readonly Point[], color: Rgb): void {
  const xy = new Float64Array(points.length * 2);
  points.forEach(([x, y], i) => {
    xy[2 * i] = x;
    xy[2 * i + 1] = canvas.height - y;
  });
  fillPolygon(canvas, { xy, count: points.length }, color);
}

function disc(canvas: Canvas, [x, y]: Point, radius: number, color: Rgb): void {
  const corners = 48;
  const points = Array.from({ length: corners }, (_, i): Point => {
    const angle = (2 * Math.PI * i) / corners;
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  });
  polygon(canvas, points, color);
}

/** A straight stroke of `width` pixels. */
function stroke(canvas: Canvas, from: Point, to: Point, options: { width: number; color: Rgb }): void {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  if (length === 0) return;
  const dx = ((to[1] - from[1]) / length) * (options.width / 2);
  const dy = ((from[0] - to[0]) / length) * (options.width / 2);
  const corners: Point[] = [
    [from[0] + dx, from[1] + dy],
    [to[0] + dx, to[1] + dy],
    [to[0] - dx, to[1] - dy],
    [from[0] - dx, from[1] - dy],
  ];
  polygon(canvas, corners, options.color);
}

/** Corners of the box [left, right] × [bottom, top], turned by `angle` and moved to `at`. */
function box(
  sides: { left: number; right: number; bottom: number; top: number },
  angle: number,
  at: Point,
): Point[] {
  const { left, right, bottom, top } = sides;
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const corners: Point[] = [
    [left, bottom],
    [left, top],
    [right, top],
    [right, bottom],
  ];
  return corners.map(([x, y]) => [x * cos - y * sin + at[0], x * sin + y * cos + at[1]]);
}

/** Draw CartPole: `position` in m, `angle` in rad, 0 upright. */
export function drawCartPole(canvas: Canvas, position: number, angle: number): void {
  const scale = canvas.width / 4.8;
  const cart: Point = [position * scale + canvas.width / 2, 100];
  const hinge: Point = [cart[0], cart[1] + 7.5];
  clearCanvas(canvas, white);
  polygon(canvas, box({ left: -25, right: 25, bottom: -15, top: 15 }, 0, cart), black);
  polygon(canvas, box({ left: -5, right: 5, bottom: -5, top: scale - 5 }, -angle, hinge), wood);
  disc(canvas, hinge, 5, axle);
  stroke(canvas, [0, 100.5], [canvas.width, 100.5], { width: 1, color: black });
}

/** Draw Pendulum: `angle` in rad, 0 upright; `effort` in [-1, 1], the torque of the last step. */
export function drawPendulum(canvas: Canvas, angle: number, effort: number): void {
  const scale = canvas.width / 4.4;
  const centre: Point = [canvas.width / 2, canvas.height / 2];
  const direction = angle + Math.PI / 2;
  const width = 0.2 * scale;
  clearCanvas(canvas, white);
  polygon(canvas, box({ left: 0, right: scale, bottom: -width / 2, top: width / 2 }, direction, centre), red);
  disc(canvas, centre, width / 2, red);
  disc(
    canvas,
    [centre[0] + scale * Math.cos(direction), centre[1] + scale * Math.sin(direction)],
    width / 2,
    red,
  );
  if (effort !== 0)
    drawTurn(canvas, centre, { radius: (scale * Math.abs(effort)) / 2.4, sign: Math.sign(effort) });
  disc(canvas, centre, 0.05 * scale, black);
}

/** Three quarters of a circle with an arrow head: the sense and size of a torque. */
function drawTurn(canvas: Canvas, centre: Point, turn: { radius: number; sign: number }): void {
  const { radius, sign } = turn;
  const at = (step: number): Point => {
    const angle = Math.PI / 2 + (sign * step * 1.5 * Math.PI) / 24;
    return [centre[0] + radius * Math.cos(angle), centre[1] + radius * Math.sin(angle)];
  };
  for (let i = 0; i < 24; i++) stroke(canvas, at(i), at(i + 1), { width: 2, color: black });
  const [tip, tail] = [at(25.5), at(23)];
  const [dx, dy] = [(tip[1] - tail[1]) * 0.6, (tail[0] - tip[0]) * 0.6];
  polygon(canvas, [tip, [tail[0] + dx, tail[1] + dy], [tail[0] - dx, tail[1] - dy]], black);
}

const heightAt = (position: number) => Math.sin(3 * position) * 0.45 + 0.55;

/** Draw either mountain car at `position`, with the flag at `goal`. */
export function drawMountainCar(canvas: Canvas, position: number, goal: number): void {
  const scale = canvas.width / 1.8;
  const onHill = (p: number): Point => [(p + 1.2) * scale, heightAt(p) * scale];
  const tilt = Math.cos(3 * position);
  const [x, y] = onHill(position);
  clearCanvas(canvas, white);
  for (let i = 0; i < 99; i++) {
    stroke(canvas, onHill(-1.2 + (1.8 * i) / 99), onHill(-1.2 + (1.8 * (i + 1)) / 99), {
      width: 1.5,
      color: black,
    });
  }
  polygon(canvas, box({ left: -20, right: 20, bottom: 0, top: 20 }, tilt, [x, y + 10]), black);
  for (const side of [10, -10]) {
    disc(canvas, [x + side * Math.cos(tilt), y + 10 + side * Math.sin(tilt)], 8, grey);
  }
  const [flagX, flagY] = onHill(goal);
  stroke(canvas, [flagX, flagY], [flagX, flagY + 50], { width: 1, color: black });
  polygon(
    canvas,
    [
      [flagX, flagY + 50],
      [flagX, flagY + 40],
      [flagX + 25, flagY + 45],
    ],
    yellow,
  );
}

/** Draw Acrobot: joint angles in rad, 0 hanging down. */
export function drawAcrobot(canvas: Canvas, angle1: number, angle2: number): void {
  const scale = canvas.width / 4.4;
  const centre: Point = [canvas.width / 2, canvas.height / 2];
  const elbow: Point = [centre[0] + Math.sin(angle1) * scale, centre[1] - Math.cos(angle1) * scale];
  const link = { left: 0, right: scale, bottom: -0.1 * scale, top: 0.1 * scale };
  clearCanvas(canvas, white);
  const line = Math.floor(centre[1] + scale) + 0.5;
  stroke(canvas, [0, line], [canvas.width, line], { width: 1, color: black });
  polygon(canvas, box(link, angle1 - Math.PI / 2, centre), teal);
  disc(canvas, centre, 0.1 * scale, yellow);
  polygon(canvas, box(link, angle1 + angle2 - Math.PI / 2, elbow), teal);
  disc(canvas, elbow, 0.1 * scale, yellow);
}
