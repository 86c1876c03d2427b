/** @file A rosbridge server with a toy robot behind it, defects included: what it does not say, loses, and never stops. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";

import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";

type Json = Record<string, unknown>;

/** One subscription as the server keeps it. */
interface Listening {
  readonly socket: WebSocket;
  readonly compression: string;
}

/** Encode a few values as CBOR, with typed arrays as rosbridge tags them. */
export function encodeCbor(value: unknown): Buffer {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return head(0, value);
  if (typeof value === "number" && Number.isInteger(value)) return head(1, -1 - value);
  if (typeof value === "number") {
    const bytes = Buffer.alloc(9, 0xfb);
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === "string")
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === "boolean") return Buffer.of(value ? 0xf5 : 0xf4);
  if (value === null || value === undefined) return Buffer.of(0xf6);
  if (value instanceof Float64Array)
    return Buffer.concat([head(6, 86), encodeCbor(new Uint8Array(value.buffer))]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(encodeCbor)]);
  const entries = Object.entries(value as Json);
  return Buffer.concat([head(5, entries.length), ...entries.flat().map(encodeCbor)]);
}

function head(major: number, argument: number): Buffer {
  if (argument < 24) return Buffer.of((major << 5) | argument);
  if (argument < 256) return Buffer.of((major << 5) | 24, argument);
  const bytes = Buffer.alloc(5, (major << 5) | 26);
  bytes.writeUInt32BE(argument, 1);
  return bytes;
}

/** A rosbridge server. `velocity` is what the robot does: the last command, for ever. */
export class FakeRosbridge {
  readonly received: Json[] = [];
  readonly published: { topic: string; msg: Json }[] = [];
  velocity: Json = {};
  fragmentSize = Infinity;
  private readonly sockets = new Set<WebSocket>();
  private readonly advertised = new Map<string, string>();
  private readonly listening = new Map<string, Listening[]>();
  private server: WebSocketServer | undefined;

  async listen(port = 0): Promise<string> {
    const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });
    this.server = server;
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("message", (data: Buffer) => this.take(socket, JSON.parse(data.toString()) as Json));
      socket.on("close", () => this.forget(socket));
      socket.on("error", () => undefined);
    });
    await once(server, "listening");
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.terminate();
    await new Promise((resolve) => this.server?.close(resolve));
  }

  /** Drop every connection, as a restarted server does. */
  drop(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  /** Whether somebody listens to a topic. */
  hears(topic: string): boolean {
    return (this.listening.get(topic) ?? []).length > 0;
  }

  /** A message from the robot. Lists of strings never arrive in CBOR. */
  emit(topic: string, msg: Json): void {
    const hasNames = Array.isArray(msg.name);
    for (const { socket, compression } of this.listening.get(topic) ?? []) {
      if (compression === "cbor" && hasNames) continue;
      if (compression === "cbor") socket.send(encodeCbor({ op: "publish", topic, msg }));
      else
        this.sendText(
          socket,
          JSON.stringify({ op: "publish", topic, msg: base64Bytes(msg) }).replaceAll("/", "\\/"),
        );
    }
  }

  private sendText(socket: WebSocket, text: string): void {
    if (text.length <= this.fragmentSize) return socket.send(text);
    const total = text.length / this.fragmentSize;
    for (let num = 0; num < total; num++) {
      const data = text.slice(num * this.fragmentSize, (num + 1) * this.fragmentSize);
      socket.send(JSON.stringify({ op: "fragment", id: 0, data, num, total }));
    }
  }

  private take(socket: WebSocket, message: Json): void {
    this.received.push(message);
    const topic = message.topic as string;
    if (message.op === "advertise") this.advertised.set(topic, message.type as string);
    if (message.op === "subscribe") {
      const listening = { socket, compression: message.compression as string };
      this.listening.set(topic, [...(this.listening.get(topic) ?? []), listening]);
    }
    // What is published to a topic that was not advertised is lost without a word.
    if (message.op === "publish" && this.advertised.has(topic)) {
      this.velocity = message.msg as Json;
      this.published.push({ topic, msg: message.msg as Json });
    }
    if (message.op === "call_service") this.serve(socket, message);
  }

  private serve(socket: WebSocket, { id, service }: Json): void {
    if (service === "/hangs") return;
    const fails = service !== "/reset";
    const values = fails ? `Service ${String(service)} does not exist` : {};
    socket.send(JSON.stringify({ op: "service_response", service, id, values, result: !fails }));
  }

  private forget(socket: WebSocket): void {
    this.sockets.delete(socket);
    this.advertised.clear();
    for (const [topic, all] of this.listening)
      this.listening.set(
        topic,
        all.filter((one) => one.socket !== socket),
      );
  }
}

/** In JSON `uint8[]` is base64. */
function base64Bytes(msg: Json): Json {
  return Object.fromEntries(
    Object.entries(msg).map(([key, value]) => [
      key,
      value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
    ]),
  );
}
