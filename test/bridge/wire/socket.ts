/** @file A bare WebSocket client for tests: everything a server sends, in order. */

import { WebSocket, type ClientOptions } from "ws";
import { decodeMap, encode, type WireMap } from "../../../src/bridge/codec.ts";

/** What arrived: a decoded map, or text. */
export type Arrival = WireMap | string;

/** One connection. */
export class Wire {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  private readonly arrivals: Arrival[] = [];
  private readonly takers: ((arrival: Arrival) => void)[] = [];

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.socket.binaryType = "arraybuffer";
    this.socket.on("message", (data: ArrayBuffer, isBinary: boolean) => {
      const bytes = new Uint8Array(data);
      const arrival = isBinary ? decodeMap(bytes) : Buffer.from(bytes).toString();
      const taker = this.takers.shift();
      if (taker === undefined) this.arrivals.push(arrival);
      else taker(arrival);
    });
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  /** How many messages wait to be taken. */
  get pending(): number {
    return this.arrivals.length;
  }

  /** The next message. */
  next(): Promise<Arrival> {
    const arrival = this.arrivals.shift();
    if (arrival !== undefined) return Promise.resolve(arrival);
    return new Promise((resolve, reject) => {
      this.takers.push(resolve);
      void this.closed.then(({ code, reason }) => reject(new Error(`closed ${code} ${reason}`)));
    });
  }

  /** The next message, which is a map. */
  async map(): Promise<WireMap> {
    const arrival = await this.next();
    if (typeof arrival === "string") throw new Error(`text: ${arrival}`);
    return arrival;
  }

  send(message: WireMap | Uint8Array | string): void {
    const raw = typeof message === "string" || message instanceof Uint8Array;
    this.socket.send(raw ? message : encode(message));
  }

  /** Send and take the answer. */
  ask(message: WireMap): Promise<WireMap> {
    this.send(message);
    return this.map();
  }

  close(): void {
    this.socket.terminate();
  }
}

/** Connect, and take the metadata that a server sends first. */
export async function connect(
  url: string,
  options: ClientOptions = {},
): Promise<{ wire: Wire; metadata: WireMap }> {
  const wire = new Wire(url, options);
  return { wire, metadata: await wire.map() };
}
