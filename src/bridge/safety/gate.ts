/** @file The operators' door: sockets in, checked messages to the guard; lives on the guard's own thread. */

import { decodeMap } from "../codec.ts";
import { closeCodes } from "../server/closing.ts";
import { openListener } from "../server/listener.ts";
import type { Listener, ListenerOptions } from "../server/listener.ts";
import type { Guard } from "./guard.ts";
import { operatorMessage } from "./messages.ts";

/** Listen for operators of the robot behind `guard`. @throws UNAUTHORIZED for a public address without a token */
export function openGate(guard: Guard, options: ListenerOptions): Promise<Listener> {
  return openListener(
    (peer) => {
      const link = {
        send: (message: object) => peer.send(message as Parameters<typeof peer.send>[0]),
        close: (reason: string) => peer.close(closeCodes.policyViolation, reason),
      };
      const attachment = guard.attach(link, peer.principal);
      return {
        message: (bytes) => {
          try {
            attachment.receive(operatorMessage(decodeMap(bytes)));
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
