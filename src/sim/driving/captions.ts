/**
 * @file Captions of `DriveTrack-v0`: what its simulator knows of a scene as attributes, attributes as sentences, and cars in
 * the colours that the sentences speak of.
 */

import type { Rng } from "../../core/rng.ts";
import { makeCanvas, type Rgb } from "../raster.ts";
import { frameSide } from "./bird-view.ts";
import { wrapAngle } from "./car.ts";
import { drawCar, egoLook, egoPose } from "./sprites.ts";
import type { TrackEpisode } from "./track-episode.ts";
import { trackEgoRow } from "./track-world.ts";

/** Attributes of a scene by name, each with its values in order. */
export const drivingAttributes = {
  color: ["red", "blue", "yellow", "white", "violet"],
  speed: ["slow", "moderate", "fast", "racing"],
  turn: ["sharp left", "left", "straight", "right", "sharp right"],
} as const;

/** Name of an attribute. */
export type AttributeName = keyof typeof drivingAttributes;

/** One scene: an index into the values of each attribute. */
export type SceneAttributes = Readonly<Record<AttributeName, number>>;

/** Colours of the car's body, in the order of `drivingAttributes.color`. */
const bodies: readonly Rgb[] = [egoLook.body, [40, 96, 220], [240, 206, 40], [240, 240, 240], [168, 48, 200]];

/** Upper ends of slow, moderate and fast in m/s. */
const speedEndsMps = [4, 7.5, 11];
/** Upper ends, from the right, of the angle that the road turns by over the distance ahead, rad. */
const turnEndsRad = [-0.7, -0.2, 0.2, 0.7];
/** How far ahead the road's direction is compared, m; the frame shows 24. */
const aheadM = 18;

const binOf = (value: number, ends: readonly number[]): number => ends.filter((end) => value >= end).length;

/** Angle by which the road ahead of the car turns, positive to the left, rad. */
export function roadTurnRad({ track, place }: TrackEpisode): number {
  const yawAt = (vertex: number): number => Math.atan2(track.tangentY[vertex], track.tangentX[vertex]);
  const further = (place.vertex + Math.round(aheadM / track.spacingM)) % track.count;
  return wrapAngle(yawAt(further) - yawAt(place.vertex));
}

/** What is true of an episode's present; the colour is what the car was painted in. */
export function attributesOf(episode: TrackEpisode, color: number): SceneAttributes {
  const turns = drivingAttributes.turn.length - 1;
  return {
    color,
    speed: binOf(episode.car.speedMps, speedEndsMps),
    turn: turns - binOf(roadTurnRad(episode), turnEndsRad),
  };
}

const phrases: Readonly<Record<"speed" | "turn", readonly (readonly string[])[]>> = {
  speed: [
    ["slowly", "at low speed", "at a crawl"],
    ["at moderate speed", "at a medium pace", "unhurriedly"],
    ["fast", "quickly", "at high speed"],
    ["at full speed", "at racing speed", "flat out"],
  ],
  turn: [
    ["into a sharp left bend", "around a tight left curve", "hard to the left"],
    ["into a gentle left bend", "along a road that bends left", "around a wide left curve"],
    ["straight ahead", "along a straight road", "on a straight"],
    ["into a gentle right bend", "along a road that bends right", "around a wide right curve"],
    ["into a sharp right bend", "around a tight right curve", "hard to the right"],
  ],
};

type Part = Readonly<Record<"color" | "speed" | "turn" | "verb", string>>;

const patterns: readonly ((part: Part) => string)[] = [
  ({ color, speed, turn, verb }) => `a ${color} car ${verb} ${speed} ${turn}`,
  ({ color, speed, turn, verb }) => `${turn}, a ${color} car ${verb} ${speed}`,
  ({ color, speed, turn, verb }) => `${speed}, a ${color} car ${verb} ${turn}`,
  ({ color, speed, turn, verb }) => `a car that is ${color} ${verb} ${turn} ${speed}`,
];
const verbs = ["drives", "goes", "moves"];

const pick = <T>(list: readonly T[], rng: Rng): T => list[Math.floor(rng.random() * list.length)];

/** One of some hundred sentences that say these attributes. */
export function captionOf(attributes: SceneAttributes, rng: Rng): string {
  return pick(
    patterns,
    rng,
  )({
    color: drivingAttributes.color[attributes.color],
    speed: pick(phrases.speed[attributes.speed], rng),
    turn: pick(phrases.turn[attributes.turn], rng),
    verb: pick(verbs, rng),
  });
}

const canvas = makeCanvas(frameSide, frameSide, new Uint8Array(0));
const ego = egoPose(trackEgoRow);

/** Paint the car of a DriveTrack frame, which lies at `offset` of `frames`, in a colour; in place. */
export function paintCar(frames: Uint8Array, offset: number, color: number): void {
  canvas.data = frames;
  canvas.offset = offset;
  drawCar(canvas, ego, { ...egoLook, body: bodies[color] });
}
