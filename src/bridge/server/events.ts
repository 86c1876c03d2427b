/** @file What happens on the bridge, as plain records for metrics, logs and recorders. */

import type { Refusal } from "../auth.ts";

/** How long one request spent where, in milliseconds. */
export interface RequestTimings {
  readonly queueMs: number;
  readonly inferMs: number;
  readonly encodeMs: number;
}

/** One thing that happened. `peer` numbers connections of one listener from 1. */
export type BridgeEvent =
  | { readonly type: "refused"; readonly reason: Refusal["reason"]; readonly address: string }
  | {
      readonly type: "connected";
      readonly peer: number;
      readonly principal: string;
      readonly address: string;
    }
  | { readonly type: "disconnected"; readonly peer: number; readonly code: number; readonly openMs: number }
  | { readonly type: "roundtrip"; readonly peer: number; readonly networkMs: number }
  | ({
      readonly type: "request";
      readonly peer: number;
      readonly session: string;
      readonly endpoint: string;
      readonly bytesIn: number;
      readonly bytesOut: number;
    } & RequestTimings)
  | { readonly type: "superseded"; readonly peer: number; readonly session: string; readonly seq: number }
  | { readonly type: "fault"; readonly peer: number; readonly code: string; readonly message: string }
  | { readonly type: "worker-failed"; readonly message: string };

/** Receives events synchronously; must not throw and must be quick. */
export type EventSink = (event: BridgeEvent) => void;
