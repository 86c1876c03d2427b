/** @file A running agent seen in Foxglove: its camera, its actions wanted and executed, and its events as a log. */

import type { Observable, Subscription } from "rxjs";

import type { NdArray } from "../../core/ndarray.ts";
import type { FoxgloveOutlet } from "../foxglove.ts";

/** The streams of an agent (`agents/agent.ts`) that are shown. */
export interface Watched {
  readonly frames: Observable<{ readonly frame: NdArray<"uint8"> }>;
  readonly actions: Observable<{ readonly wanted: NdArray; readonly executed: NdArray | undefined }>;
  readonly events: Observable<{ readonly type: string }>;
}

const time = { type: "object", properties: { sec: { type: "integer" }, nsec: { type: "integer" } } };

const imageSchema = {
  type: "object",
  properties: {
    timestamp: time,
    frame_id: { type: "string" },
    width: { type: "integer" },
    height: { type: "integer" },
    encoding: { type: "string" },
    step: { type: "integer" },
    data: { type: "string", contentEncoding: "base64" },
  },
};

const logSchema = {
  type: "object",
  properties: {
    timestamp: time,
    level: { type: "integer" },
    message: { type: "string" },
    name: { type: "string" },
    file: { type: "string" },
    line: { type: "integer" },
  },
};

/** Show row 0 of an agent's env on `/camera`, `/action` and `/log`; unsubscribe to end. */
export function showAgent(outlet: FoxgloveOutlet, watched: Watched, names: readonly string[]): Subscription {
  const camera = outlet.topic({ topic: "/camera", schemaName: "foxglove.RawImage", schema: imageSchema });
  const numbers = {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, { type: "number" }])),
  };
  const action = outlet.topic({
    topic: "/action",
    schemaName: "reverie.Action",
    schema: { type: "object", properties: { wanted: numbers, executed: numbers } },
  });
  const log = outlet.topic({ topic: "/log", schemaName: "foxglove.Log", schema: logSchema });
  const all = watched.frames.subscribe(({ frame }) => camera(() => imageOf(frame)));
  all.add(
    watched.actions.subscribe(({ wanted, executed }) =>
      action(() => ({ wanted: named(wanted, names), executed: executed && named(executed, names) })),
    ),
  );
  all.add(watched.events.subscribe((event) => log(() => logOf(event))));
  return all;
}

function stamp(): { sec: number; nsec: number } {
  const nowMs = Date.now();
  return { sec: Math.floor(nowMs / 1000), nsec: (nowMs % 1000) * 1e6 };
}

function imageOf({ shape, data }: NdArray<"uint8">): Record<string, unknown> {
  const [, height, width] = shape;
  const bytes = Buffer.from(data.buffer, data.byteOffset, height * width * 3);
  return {
    timestamp: stamp(),
    frame_id: "camera",
    width,
    height,
    encoding: "rgb8",
    step: width * 3,
    data: bytes.toString("base64"),
  };
}

function named({ data }: NdArray, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name, i) => [name, Number(data[i])]));
}

function logOf(event: { readonly type: string }): Record<string, unknown> {
  const level = event.type === "failed" ? 4 : event.type === "late" || event.type === "underrun" ? 3 : 2;
  return {
    timestamp: stamp(),
    level,
    message: JSON.stringify(event, errorText),
    name: event.type,
    file: "",
    line: 0,
  };
}

function errorText(_: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
