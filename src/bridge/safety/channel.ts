/** @file An operator's way to a robot: over a socket, or to the guard's thread in the same process. */

import type { MessagePort } from "node:worker_threads";

import { WebSocket } from "ws";

import { fail } from "../../core/errors.ts";
import { decodeMap, encode } from "../codec.ts";
import type { WireMap } from "../codec.ts";
import { defaultLimits } from "../limits.ts";
import type { OperatorMessage, RobotMessage } from "./protocol.ts";

/** What comes out of a channel. */
export interface ChannelEvents {
  message(message: RobotMessage): void;
  closed(reason: string): void;
}

/** One connection to a robot. */
export interface OperatorChannel {
  send(message: OperatorMessage): void;
  close(): void;
}

/** Opens one connection; called again after each loss. */
export type Connect = (events: ChannelEvents) => Promise<OperatorChannel>;

/** Connect over a port whose other end the guard's thread has. */
export function overPort(openPort: () => MessagePort): Connect {
  return (events) => {
    const port = openPort();
    port.on("message", (message: RobotMessage) => events.message(message));
    port.on("close", () => events.closed("the robot's thread closed the connection"));
    return Promise.resolve({ send: (message) => port.postMessage(message), close: () => port.close() });
  };
}

/** Settings of a socket to a robot's gate. */
export interface SocketOptions {
  readonly token?: string;
  readonly connectTimeoutMs?: number;
}

/** Connect over a socket. */
export function overSocket(url: string, { token, connectTimeoutMs = 5000 }: SocketOptions = {}): Connect {
  return (events) =>
    new Promise((resolve, reject) => {
      const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      const maxPayload = defaultLimits.maxBytes;
      const socket = new WebSocket(url, {
        headers,
        maxPayload,
        perMessageDeflate: false,
        handshakeTimeout: connectTimeoutMs,
      });
      let failure = "the connection closed";
      socket.on("error", (error) => (failure = error.message));
      socket.on("open", () =>
        resolve({ send: (message) => transmit(socket, message), close: () => socket.close(1000) }),
      );
      socket.on("message", (data: Buffer) => receive(socket, data, events));
      socket.on("close", (_, reason) => {
        reject(new Error(failure));
        events.closed(reason.toString("utf8") || failure);
      });
    });
}

function transmit(socket: WebSocket, message: OperatorMessage): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(encode(message as unknown as WireMap));
}

function receive(socket: WebSocket, data: Buffer, events: ChannelEvents): void {
  let message: WireMap;
  try {
    message = decodeMap(data);
    if (typeof message.op !== "string") fail({ code: "PROTOCOL", what: "a message without op" });
  } catch {
    // Whatever this is, it is no robot: hang up, and let the reconnection find the real one.
    return socket.terminate();
  }
  events.message(message as unknown as RobotMessage);
}
