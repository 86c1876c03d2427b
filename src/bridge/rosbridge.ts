/** @file A ROS 1 or 2 robot behind a rosbridge server, as a device of the guard: topics mapped to channels and arrays by config. */

import { z } from "zod";

import { fail } from "../core/errors.ts";
import { ndarray } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import { parsePath, setAt } from "./rosbridge/paths.ts";
import type { Path } from "./rosbridge/paths.ts";
import { RosbridgeClient, rosTime } from "./rosbridge/rosbridge-client.ts";
import { imageOf, jointsOf, numberAt, numbersOf } from "./rosbridge/sensors.ts";
import type {
  ArraySpec,
  Clock,
  Device,
  DeviceDescription,
  DeviceEvents,
  ResetRequest,
} from "./safety/device.ts";
import type { Setpoint } from "./safety/machine.ts";

const place = z
  .string()
  .refine((text) => isPath(text), "is no place in a message, like linear.x or position[2]");
const encoding = z.enum(["none", "cbor"]).optional();
const topic = { topic: z.string().startsWith("/"), type: z.string().regex(/^\w+\/(msg\/)?\w+$/), encoding };

const imageSchema = z.strictObject({
  ...topic,
  as: z.literal("image"),
  shape: z
    .tuple([z.int().positive(), z.int().positive()])
    .describe("height and width that the image is resized to"),
});

const numbersSchema = z.strictObject({
  ...topic,
  as: z.literal("numbers"),
  fields: z.array(place).min(1).describe("one number each, in this order"),
});

const jointsSchema = z.strictObject({
  ...topic,
  as: z.literal("joints"),
  joints: z.array(z.string()).min(1).describe("names looked up in the message, whatever their order there"),
  field: z.enum(["position", "velocity", "effort"]).default("position"),
});

const commandSchema = z.strictObject({
  topic: topic.topic,
  type: topic.type,
  fields: z.record(z.string(), place).describe("channel name -> place in the message"),
  template: z.record(z.string(), z.unknown()).default({}).describe("the rest of the message"),
  stamp: place.optional().describe("where the time goes, e.g. header.stamp"),
});

/** Schema of a robot behind rosbridge. */
export const rosbridgeSchema = z.strictObject({
  kind: z.literal("rosbridge"),
  url: z.string().regex(/^wss?:\/\//, "must begin with ws:// or wss://"),
  ros: z.union([z.literal(1), z.literal(2)]),
  token: z.string().optional(),
  rateHz: z.number().positive().max(1000).describe("observations per second"),
  observation: z
    .record(z.string(), z.discriminatedUnion("as", [imageSchema, numbersSchema, jointsSchema]))
    .describe("arrays of an observation, by name"),
  commands: z.array(commandSchema).min(1),
  positions: z
    .record(z.string(), z.strictObject({ ...topic, field: place.optional(), joint: z.string().optional() }))
    .default({})
    .describe("where a channel's measured position is found"),
  reset: z
    .strictObject({
      service: z.string().startsWith("/"),
      args: z.record(z.string(), z.unknown()).default({}),
    })
    .optional(),
  staleMs: z.number().positive().default(1000).describe("an array older than this is no observation"),
  silenceMs: z
    .number()
    .positive()
    .default(3000)
    .describe("silence after which the connection counts as lost"),
});

/** Settings of a robot behind rosbridge, checked. */
export type RosbridgeSettings = z.infer<typeof rosbridgeSchema>;

function isPath(text: string): boolean {
  try {
    return parsePath(text).length > 0;
  } catch {
    return false;
  }
}

interface Sample {
  readonly array: NdArray;
  readonly atMs: number;
}

interface Command {
  readonly topic: string;
  readonly places: readonly { readonly channel: number; readonly path: Path }[];
  readonly template: Record<string, unknown>;
  readonly stamp: Path | undefined;
}

class RosbridgeDevice implements Device {
  private readonly settings: RosbridgeSettings;
  private readonly clock: Clock;
  private readonly client: RosbridgeClient;
  private readonly channels: readonly string[];
  private readonly commands: readonly Command[];
  private readonly samples = new Map<string, Sample>();
  private readonly positions: (number | undefined)[];
  private readonly decoding = new Set<string>();
  private events: DeviceEvents | undefined;
  private cancel: () => void = () => undefined;
  private nextMs = 0;
  private resetId: number | undefined;
  private resetMs = -Infinity;

  constructor(settings: RosbridgeSettings, clock: Clock) {
    this.settings = settings;
    this.clock = clock;
    this.channels = settings.commands.flatMap(({ fields }) => Object.keys(fields));
    this.positions = this.channels.map(() => undefined);
    this.commands = settings.commands.map((command) => ({
      topic: command.topic,
      places: Object.entries(command.fields).map(([name, path]) => ({
        channel: this.channels.indexOf(name),
        path: parsePath(path),
      })),
      template: command.template,
      stamp: command.stamp === undefined ? undefined : parsePath(command.stamp),
    }));
    this.client = new RosbridgeClient(
      settings,
      {
        open: () => this.opened(),
        down: (reason) => this.lost(reason),
        warned: (text) => this.events?.warned?.(text),
      },
      clock,
    );
  }

  open(events: DeviceEvents): void {
    this.events = events;
    for (const { topic: name, type } of this.settings.commands) this.client.advertise(name, type);
    this.subscribe();
    this.client.open();
  }

  send({ values }: Setpoint): void {
    for (const { topic: name, places, template, stamp } of this.commands) {
      const message = structuredClone(template);
      for (const { channel, path } of places) setAt(message, path, values[channel]);
      if (stamp !== undefined) setAt(message, stamp, rosTime(Date.now(), this.settings.ros));
      this.client.publish(name, message);
    }
  }

  reset({ id }: ResetRequest): void {
    const { reset } = this.settings;
    if (reset === undefined) return;
    this.client.call(reset.service, reset.args).then(
      () => {
        this.resetId = id;
        this.resetMs = this.clock.now();
      },
      (error: unknown) => this.events?.warned?.(`the reset service failed: ${String(error)}`),
    );
  }

  async close(): Promise<void> {
    this.cancel();
    await this.client.close();
  }

  private opened(): void {
    this.samples.clear();
    this.positions.fill(undefined);
    this.events?.up(describe(this.settings, this.channels));
    this.nextMs = this.clock.now();
    this.schedule();
  }

  private lost(reason: string): void {
    this.cancel();
    this.events?.down(reason);
  }

  /** One subscription per topic, whoever wants its messages. */
  private subscribe(): void {
    const wants = new Map<
      string,
      { type: string; encoding?: "none" | "cbor"; calls: ((message: unknown) => void)[] }
    >();
    const want = (
      source: { topic: string; type: string; encoding?: "none" | "cbor" },
      call: (message: unknown) => void,
    ): void => {
      const known = wants.get(source.topic) ?? { type: source.type, encoding: source.encoding, calls: [] };
      known.calls.push(call);
      wants.set(source.topic, known);
    };
    for (const [name, source] of Object.entries(this.settings.observation))
      want(source, (message) => this.sampled(name, source, message));
    for (const [name, source] of Object.entries(this.settings.positions))
      want(source, (message) => this.measured(name, source, message));
    const throttleMs = 500 / this.settings.rateHz;
    for (const [name, { type, encoding: chosen, calls }] of wants) {
      const message = (value: unknown): void => calls.forEach((call) => call(value));
      this.client.subscribe({
        topic: name,
        type,
        encoding: chosen ?? usualEncoding(type),
        throttleMs,
        message,
      });
    }
  }

  private sampled(name: string, source: RosbridgeSettings["observation"][string], message: unknown): void {
    const atMs = this.clock.now();
    if (source.as !== "image") {
      const array =
        source.as === "numbers"
          ? numbersOf(message, source.fields.map(parsePath))
          : jointArray(message, source);
      // What is missing or NaN was not seen; the last whole sample grows stale, and the robot stops.
      if (array.data.every(Number.isFinite)) this.samples.set(name, { array, atMs });
      return;
    }
    // While a picture is being decoded newer ones are passed over: decoding must not queue.
    if (this.decoding.has(name)) return;
    this.decoding.add(name);
    imageOf(message, source.shape)
      .then((array) => this.samples.set(name, { array, atMs }))
      .catch((error: unknown) =>
        this.events?.warned?.(`an image on ${source.topic} was dropped: ${String(error)}`),
      )
      .finally(() => this.decoding.delete(name));
  }

  private measured(name: string, source: RosbridgeSettings["positions"][string], message: unknown): void {
    const value =
      source.joint === undefined
        ? numberAt(message, parsePath(source.field ?? "data"))
        : jointsOf(message, [source.joint], "position")[0];
    this.positions[this.channels.indexOf(name)] = Number.isFinite(value) ? value : undefined;
    this.events?.measured([...this.positions], this.clock.now());
  }

  private schedule(): void {
    const periodMs = 1000 / this.settings.rateHz;
    const nowMs = this.clock.now();
    while (this.nextMs <= nowMs) this.nextMs += periodMs;
    this.cancel = this.clock.at(this.nextMs, () => {
      this.observe();
      this.schedule();
    });
  }

  /** The newest of every array, if none is stale: a robot that half sees is not shown as one that sees. */
  private observe(): void {
    const names = Object.keys(this.settings.observation);
    const samples = names.map((name) => this.samples.get(name));
    const nowMs = this.clock.now();
    const oldestMs = Math.min(...samples.map((sample) => sample?.atMs ?? -Infinity));
    if (nowMs - oldestMs > this.settings.staleMs) return;
    const arrays = Object.fromEntries(names.map((name, i) => [name, samples[i]?.array as NdArray]));
    const fresh = oldestMs > this.resetMs;
    const resetId = fresh ? this.resetId : undefined;
    if (fresh) this.resetId = undefined;
    this.events?.observed({
      arrays,
      capturedMs: oldestMs,
      reward: 0,
      terminated: false,
      truncated: false,
      resetId,
    });
  }
}

function jointArray(message: unknown, { joints, field }: z.infer<typeof jointsSchema>): NdArray<"float32"> {
  return ndarray("float32", [joints.length], Float32Array.from(jointsOf(message, joints, field)));
}

/** rosbridge's CBOR cannot carry lists of strings; images are what it is for. */
function usualEncoding(type: string): "none" | "cbor" {
  return /(^|\/)(Compressed)?Image$/.test(type) ? "cbor" : "none";
}

function describe(settings: RosbridgeSettings, channels: readonly string[]): DeviceDescription {
  const observation: Record<string, ArraySpec> = {};
  for (const [name, source] of Object.entries(settings.observation)) {
    observation[name] =
      source.as === "image"
        ? { dtype: "uint8", shape: [...source.shape, 3] }
        : {
            dtype: "float32",
            shape: [source.as === "numbers" ? source.fields.length : source.joints.length],
          };
  }
  return {
    name: `rosbridge ${settings.url}`,
    channels,
    observation,
    acknowledges: false,
    measures: Object.keys(settings.positions).length > 0,
    resets: settings.reset !== undefined,
    rateHz: settings.rateHz,
  };
}

/**
 * A robot behind rosbridge.
 *
 * @throws INVALID_CONFIG for a position of no channel, or an encoding that rosbridge silently delivers nothing in
 */
export function makeRosbridgeDevice(settings: RosbridgeSettings, clock: Clock): Device {
  const channels = settings.commands.flatMap(({ fields }) => Object.keys(fields));
  for (const name of Object.keys(settings.positions)) {
    if (!channels.includes(name))
      fail({
        code: "INVALID_CONFIG",
        what: `positions: "${name}" is no channel`,
        expected: channels.join(", "),
      });
  }
  for (const source of [...Object.values(settings.observation), ...Object.values(settings.positions)]) {
    if (source.encoding !== "cbor" || !source.type.endsWith("/JointState")) continue;
    fail({
      code: "INVALID_CONFIG",
      what: `${source.topic}: rosbridge delivers no JointState in cbor`,
      fix: "leave encoding out",
    });
  }
  return new RosbridgeDevice(settings, clock);
}
