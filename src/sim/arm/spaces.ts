/** @file Observations of the arm: their spaces, and what is written into them. */

import { unknownName } from "../../core/errors.ts";
import { float32 } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Dict } from "../../core/spaces/dict.ts";
import type { Space } from "../../core/spaces/space.ts";
import { fingerTravelM } from "./model.ts";

/**
 * `frame`: the picture; `dict`: {frame, state} with the arm's own sensors; `state`: all that is to be known, as one
 * vector; `goal`: Gymnasium-Robotics' {observation, achieved_goal, desired_goal}.
 */
export type ObservationForm = "dict" | "frame" | "state" | "goal";

/** Side of an observation's picture in pixels. */
export const frameSide = 64;

/** Lengths: own sensors (tip 3, its velocity 3, opening 1, joints 7, their velocities 7), and an object's part. */
export const sizes = { own: 21, object: 11, goal: 3 } as const;

/** Generous limits on what a sensor can say; the arm's speeds stay well inside. */
const farM = 10;
const fastPerSecond = 100;

/** Observation of one arm. */
export type ArmObservation =
  | NdArray<"uint8">
  | NdArray<"float32">
  | { readonly frame: NdArray<"uint8">; readonly state: NdArray<"float32"> }
  | {
      readonly observation: NdArray<"float32">;
      readonly achieved_goal: NdArray<"float32">;
      readonly desired_goal: NdArray<"float32">;
    };

function box(high: readonly number[]): Box<"float32"> {
  return new Box(float32(high.map((limit) => -limit)), float32(high), [high.length], "float32");
}

const three = (value: number): number[] => [value, value, value];
const seven = (value: number): number[] => Array.from({ length: 7 }, () => value);

function limits(parts: { object: boolean; goal: boolean }): number[] {
  const own = [
    ...three(farM),
    ...three(fastPerSecond),
    2 * fingerTravelM + 0.1,
    ...seven(8),
    ...seven(fastPerSecond),
  ];
  const object = parts.object ? [...three(farM), 1, 1, ...three(fastPerSecond), ...three(farM)] : [];
  return [...own, ...object, ...(parts.goal ? three(farM) : [])];
}

/** @throws UNKNOWN_NAME for a form that is none */
export function observationSpace(form: ObservationForm, hasObject: boolean): Space {
  const frame = new Box(0, 255, [frameSide, frameSide, 3], "uint8");
  switch (form) {
    case "frame":
      return frame;
    case "dict":
      return new Dict({ frame, state: box(limits({ object: false, goal: false })) });
    case "state":
      return box(limits({ object: hasObject, goal: true }));
    case "goal":
      return new Dict({
        observation: box(limits({ object: hasObject, goal: false })),
        achieved_goal: box(three(farM)),
        desired_goal: box(three(farM)),
      });
    default:
      throw unknownName("observation", form, ["dict", "frame", "state", "goal"]);
  }
}
