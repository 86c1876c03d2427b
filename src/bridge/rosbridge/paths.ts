/** @file Places in ROS messages: `linear.x`, `position[2]`, `points[0].positions[1]`. */

import { fail } from "../../core/errors.ts";

/** A parsed place. */
export type Path = readonly (string | number)[];

/** Parse a place. @throws INVALID_CONFIG */
export function parsePath(text: string): Path {
  if (!/^[A-Za-z_]\w*(\[\d+\]|\.[A-Za-z_]\w*)*$/.test(text)) {
    fail({
      code: "INVALID_CONFIG",
      what: "this is no place in a message",
      expected: "linear.x or position[2]",
      got: text,
    });
  }
  return Array.from(text.matchAll(/[A-Za-z_]\w*|\d+(?=\])/g), ([part]) =>
    /^\d/.test(part) ? Number(part) : part,
  );
}

/** The value at a place; undefined where there is none. */
export function valueAt(message: unknown, path: Path): unknown {
  let value = message;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** Set the value at a place, making maps and lists on the way. */
export function setAt(message: Record<string, unknown>, path: Path, value: unknown): void {
  let place: Record<string | number, unknown> = message;
  path.slice(0, -1).forEach((part, i) => {
    if (!Object.hasOwn(place, part)) place[part] = typeof path[i + 1] === "number" ? [] : {};
    place = place[part] as Record<string | number, unknown>;
  });
  place[path[path.length - 1]] = value;
}

/** Anything as a short text for a message to a person. */
export function textOf(value: unknown): string {
  return (typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing")).slice(0, 200);
}
