/** @file The operators' door: sockets in, checked messages to the guard; lives on the guard's own thread. */

import { decodeMap } from "../codec.ts";
import { closeCodes } from "../server/closing.ts";
import { openListener } from "../server/listener.ts";
import type { Listener, ListenerOptions } from "../server/listener.ts";
import { monotonicClock } from "./device.ts";
import type { Guard } from "./guard.ts";
import { operatorMessage } from "./messages.ts";

/** Settings of the operators' door. */
export interface GateOptions extends ListenerOptions {
  /** Told how long an action took from its arrival until its setpoint was handed to the motor; not of one that had to wait. */
  readonly onAction?: (milliseconds: number) => void;
}

/** Listen for operators of the robot behind `guard`. @throws UNAUTHORIZED for a public address without a token */
export function openGate(guard: Guard, { onAction, ...options }: GateOptions): Promise<Listener> {
  return openListener(
    (peer) => {
      const link = {
        send: (message: object) => peer.send(message as Parameters<typeof peer.send>[0]),
        close: (reason: string) => peer.close(closeCodes.policyViolation, reason),
      };
      const attachment = guard.attach(link, peer.principal);
      return {
        message: (bytes) => {
          const arrivedMs = monotonicClock.now();
          try {
            const message = operatorMessage(decodeMap(bytes));
            attachment.receive(message);
            const tookMs = guard.departedMs - arrivedMs;
            if (message.op === "act" && tookMs > 0) onAction?.(tookMs);
          } catch (error) {
            attachment.fault(error);
          }
        },
        closed: () => attachment.gone(),
      };
    },
    { ...options, health: () => guard.trouble },
  );
}
