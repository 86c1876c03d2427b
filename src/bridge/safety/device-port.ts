/** @file The robot's end of the wire: a process that drives motors listens here for the guard that commands it. */

import { isNdArray, ndarray } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { decodeMap } from "../codec.ts";
import type { WireMap } from "../codec.ts";
import { openListener } from "../server/listener.ts";
import type { ListenerOptions } from "../server/listener.ts";
import type { Peer, PeerHandler } from "../server/peer.ts";
import type { DeviceDescription } from "./device.ts";

/** What a robot does when its guard speaks. */
export interface DevicePortHandlers {
  /** Obey one setpoint; `number` is for `acknowledge`. */
  set(values: Float64Array, number: number, stop: boolean): void;
  /** Begin anew; the first observation after it carries `reset: id`. */
  reset?(request: { id: number; seed?: number; options?: WireMap }): void;
  /** The guard has gone: no further setpoint will come until one connects. A robot stops itself here. */
  gone(): void;
}

/** One observation as a robot sends it. */
export interface PortObservation {
  readonly arrays: Readonly<Record<string, NdArray>>;
  /** How old it is when sent. */
  readonly ageMs?: number;
  readonly reward?: number;
  readonly terminated?: boolean;
  readonly truncated?: boolean;
  readonly reset?: number;
}

/** A listening robot. */
export interface DevicePort {
  readonly url: string;
  /** Send an observation; dropped while the guard is behind or away. */
  observe(observation: PortObservation): void;
  /** Send measured positions in the order of the channels; NaN where a channel has none. */
  measured(positions: Float64Array, ageMs?: number): void;
  acknowledge(number: number): void;
  close(): Promise<void>;
}

/** Observations that may wait in the socket; the newest wins. */
const maxBufferedBytes = 64 * 1024;

/**
 * Listen for one guard. A second one is turned away while the first is connected: a motor has one master.
 *
 * @throws UNAUTHORIZED for a public address without a token
 */
export async function openDevicePort(
  description: DeviceDescription,
  handlers: DevicePortHandlers,
  options: ListenerOptions,
): Promise<DevicePort> {
  let master: Peer | undefined;
  let missed: Missed | undefined;
  const listener = await openListener((peer) => {
    if (master !== undefined) return turnAway(peer);
    master = peer;
    peer.send({ op: "device", ...description } as unknown as WireMap);
    return {
      message: (bytes) => obey(handlers, decodeMap(bytes)),
      closed: () => {
        master = undefined;
        missed = undefined;
        handlers.gone();
      },
    };
  }, options);
  const send = (message: WireMap): boolean => {
    if (master === undefined || master.bufferedBytes > maxBufferedBytes) return false;
    master.send(message);
    return true;
  };
  return {
    url: listener.url,
    observe({ ageMs, arrays, ...seen }) {
      const told = missed === undefined ? seen : withMissed(missed, seen);
      const gone = send({ op: "obs", age_ms: ageMs, arrays, ...told }) || master === undefined;
      missed = gone ? undefined : told;
    },
    measured(positions, ageMs) {
      const values = ndarray("float64", [positions.length], positions);
      send({ op: "measured", age_ms: ageMs, positions: values });
    },
    acknowledge: (number) => void send({ op: "ack", number }),
    close: () => listener.close(),
  };
}

function turnAway(peer: Peer): PeerHandler {
  peer.close(1013, "this robot has a guard already");
  return { message: () => undefined, closed: () => undefined };
}

/** What an observation tells beside what was seen. */
type Missed = Omit<PortObservation, "ageMs" | "arrays">;

/** What an observation that was dropped had to tell goes with the next one. */
function withMissed(missed: Missed, seen: Missed): Missed {
  if (seen.reset !== undefined) return seen;
  return {
    reset: missed.reset,
    reward: (missed.reward ?? 0) + (seen.reward ?? 0),
    terminated: missed.terminated === true || seen.terminated === true,
    truncated: missed.truncated === true || seen.truncated === true,
  };
}

function obey(handlers: DevicePortHandlers, message: WireMap): void {
  const { op, id, seed, options } = message;
  if (op === "set" && isNdArray(message.values) && typeof message.number === "number") {
    handlers.set(
      Float64Array.from(message.values.data as Float64Array),
      message.number,
      message.stop === true,
    );
  } else if (op === "reset" && typeof id === "number") {
    handlers.reset?.({
      id,
      seed: typeof seed === "number" ? seed : undefined,
      options: options as WireMap | undefined,
    });
  }
}
