/** @file A robot that listens on a WebSocket: the guard's end of the wire, kept connected. */

import { WebSocket } from "ws";
import { z } from "zod";

import { fail } from "../../core/errors.ts";
import { isNdArray } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { decodeMap, encode, isWireMap } from "../codec.ts";
import type { WireMap, WireValue } from "../codec.ts";
import { defaultLimits } from "../limits.ts";
import type {
  Clock,
  Device,
  DeviceDescription,
  DeviceEvents,
  DeviceObservation,
  ResetRequest,
} from "./device.ts";
import type { Setpoint } from "./machine.ts";
import { makeBackoff } from "./backoff.ts";

/** Settings of a robot behind a WebSocket. */
export const socketDeviceSchema = z.strictObject({
  kind: z.literal("websocket"),
  url: z.string().regex(/^wss?:\/\//, "must begin with ws:// or wss://"),
  token: z.string().optional().describe("sent as Authorization: Bearer"),
  silenceMs: z.number().positive().default(1000).describe("silence after which the robot counts as lost"),
});

/** Bytes that may wait in a socket before setpoints are dropped: an old setpoint must never follow a newer one late. */
const maxBufferedBytes = 4096;

const descriptionSchema = z.object({
  name: z.string(),
  channels: z.array(z.string()),
  observation: z.record(
    z.string(),
    z.object({
      dtype: z.enum([
        "float32",
        "float64",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "bool",
      ]),
      shape: z.array(z.int().nonnegative()),
      low: z.number().optional(),
      high: z.number().optional(),
    }),
  ),
  acknowledges: z.boolean(),
  measures: z.boolean(),
  resets: z.boolean(),
  rateHz: z.number().positive(),
});

class SocketDevice implements Device {
  private readonly settings: z.infer<typeof socketDeviceSchema>;
  private readonly clock: Clock;
  private readonly backoff = makeBackoff({ firstMs: 100, mostMs: 2000 });
  private events: DeviceEvents | undefined;
  private socket: WebSocket | undefined;
  private up = false;
  private heardMs = 0;
  private cancel: () => void = () => undefined;
  private closed = false;

  constructor(settings: z.infer<typeof socketDeviceSchema>, clock: Clock) {
    this.settings = settings;
    this.clock = clock;
  }

  open(events: DeviceEvents): void {
    this.events = events;
    this.connect();
  }

  send({ number, kind, values }: Setpoint): void {
    const message = {
      op: "set",
      number,
      stop: kind === "stop",
      values: { dtype: "float64", shape: [values.length], data: values },
    };
    this.transmit(message as unknown as WireMap);
  }

  reset({ id, seed, options }: ResetRequest): void {
    this.transmit({ op: "reset", id, seed, options: options as WireMap | undefined });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cancel();
    const { socket } = this;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.close(1000);
    const stop = this.clock.at(this.clock.now() + 250, () => socket.terminate());
    await ended;
    stop();
  }

  private transmit(message: WireMap): void {
    const { socket } = this;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > maxBufferedBytes) return;
    socket.send(encode(message));
  }

  private connect(): void {
    if (this.closed) return;
    const { url, token } = this.settings;
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const socket = new WebSocket(url, {
      headers,
      perMessageDeflate: false,
      maxPayload: defaultLimits.maxBytes,
      handshakeTimeout: 5000,
    });
    this.socket = socket;
    this.heardMs = this.clock.now();
    socket.on("message", (data: Buffer) => this.receive(socket, data));
    socket.on("error", () => socket.terminate());
    socket.on("open", () => this.watch(socket));
    socket.on("close", () => this.lost(socket, "its connection closed"));
  }

  /** A half-open socket says nothing for ever: silence counts as loss. */
  private watch(socket: WebSocket): void {
    this.cancel();
    const { silenceMs } = this.settings;
    const dueMs = this.heardMs + silenceMs;
    if (this.clock.now() > dueMs) return socket.terminate();
    this.cancel = this.clock.at(dueMs + 1, () => this.watch(socket));
  }

  private lost(socket: WebSocket, reason: string): void {
    if (this.socket !== socket) return;
    this.cancel();
    if (this.up) this.events?.down(reason);
    this.up = false;
    if (!this.closed)
      this.cancel = this.clock.at(this.clock.now() + this.backoff.next(), () => this.connect());
  }

  private receive(socket: WebSocket, data: Buffer): void {
    const nowMs = this.clock.now();
    this.heardMs = nowMs;
    try {
      this.take(decodeMap(data), nowMs);
    } catch {
      // A robot that sends what cannot be read is not a robot to drive: drop it, which stops it, and try again.
      socket.terminate();
    }
  }

  private take(message: WireMap, nowMs: number): void {
    const { events } = this;
    if (message.op === "device") {
      if (this.up) fail({ code: "PROTOCOL", what: "a robot describes itself once" });
      this.up = true;
      this.backoff.reset();
      events?.up(descriptionOf(message));
    } else if (!this.up) {
      fail({
        code: "PROTOCOL",
        what: "a robot must describe itself first",
        got: textOf(message.op),
      });
    } else if (message.op === "obs") events?.observed(observationOf(message, nowMs));
    else if (message.op === "ack") events?.acknowledged(numberOf(message.number));
    else if (message.op === "measured")
      events?.measured(positionsOf(message.positions), nowMs - ageOf(message));
    else fail({ code: "PROTOCOL", what: "unknown message of a robot", got: textOf(message.op) });
  }
}

/** A robot that listens on a WebSocket (`openDevicePort` is the other end). */
export function makeSocketDevice(settings: z.infer<typeof socketDeviceSchema>, clock: Clock): Device {
  return new SocketDevice(settings, clock);
}

function descriptionOf(message: WireMap): DeviceDescription {
  const result = descriptionSchema.safeParse(message);
  return result.success
    ? result.data
    : fail({ code: "PROTOCOL", what: "malformed description", got: result.error.message });
}

function numberOf(value: WireValue): number {
  return typeof value === "number"
    ? value
    : fail({ code: "PROTOCOL", what: "not a number", got: typeof value });
}

function textOf(value: WireValue): string {
  return typeof value === "string" ? value.slice(0, 40) : typeof value;
}

function ageOf(message: WireMap): number {
  return typeof message.age_ms === "number" ? Math.max(0, message.age_ms) : 0;
}

function positionsOf(value: WireValue): (number | undefined)[] {
  if (!isNdArray(value)) fail({ code: "PROTOCOL", what: "positions are not an array" });
  return Array.from(value.data as Float64Array, (position) =>
    Number.isFinite(position) ? position : undefined,
  );
}

function observationOf(message: WireMap, nowMs: number): DeviceObservation {
  const arrays: Record<string, NdArray> = {};
  if (!isWireMap(message.arrays)) fail({ code: "PROTOCOL", what: "an observation without arrays" });
  for (const [name, value] of Object.entries(message.arrays)) {
    arrays[name] = isNdArray(value) ? value : fail({ code: "PROTOCOL", what: `"${name}" is not an array` });
  }
  return {
    arrays,
    capturedMs: nowMs - ageOf(message),
    reward: typeof message.reward === "number" ? message.reward : 0,
    terminated: message.terminated === true,
    truncated: message.truncated === true,
    resetId: typeof message.reset === "number" ? message.reset : undefined,
  };
}
