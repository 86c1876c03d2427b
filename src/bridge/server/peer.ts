/** @file One authenticated connection: sending with back-pressure, signs of life, and closing. */

import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { encode, type WireMap } from "../codec.ts";
import type { ServerLimits } from "../limits.ts";
import { closeCodes } from "./closing.ts";
import type { EventSink } from "./events.ts";

/** What a server does with one connection. Calls never overlap and stop after `closed`. */
export interface PeerHandler {
  /** A binary message; the bytes belong to the handler. */
  message(bytes: Uint8Array<ArrayBuffer>): void;
  /** A text message; without this method text closes the connection with 1003. */
  text?(text: string): void;
  closed(code: number): void;
  /** Finish what is under way and take nothing new; resolves when the connection may close. */
  drain?(): Promise<void>;
}

/** How signs of life are asked for. */
export interface KeepaliveOptions {
  /** Between pings; 0 turns them off. */
  readonly intervalMs: number;
  /** Silence after which the connection is closed with 4002. */
  readonly timeoutMs: number;
}

/** Facts about a connection that a listener passes in. */
export interface PeerFacts {
  readonly id: number;
  readonly principal: string;
  readonly request: IncomingMessage;
  readonly limits: ServerLimits;
  readonly emit: EventSink;
}

/** A connection that has passed every check of its listener. */
export class Peer {
  readonly id: number;
  /** Whose token it showed; "anonymous" without tokens. */
  readonly principal: string;
  readonly address: string;
  /** Path of the URL it asked for. */
  readonly path: string;
  private readonly socket: WebSocket;
  private readonly facts: PeerFacts;
  private readonly openedMs = performance.now();
  private lastSignMs = performance.now();
  private pingedMs: number | undefined;
  private handler: PeerHandler | undefined;

  constructor(socket: WebSocket, facts: PeerFacts) {
    this.socket = socket;
    this.facts = facts;
    this.id = facts.id;
    this.principal = facts.principal;
    this.address = addressOf(facts.request);
    this.path = pathOf(facts.request);
  }

  /** Is the socket open? */
  get open(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  /** Bytes accepted by `send` that the network has not taken yet. */
  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  /** Start delivering messages to `handler`. */
  serve(handler: PeerHandler): void {
    this.handler = handler;
    this.socket.binaryType = "arraybuffer";
    this.socket.on("message", (data: ArrayBuffer, isBinary: boolean) => this.receive(data, isBinary));
    this.socket.on("pong", () => this.ponged());
    this.socket.on("close", (code: number) => this.gone(code));
    this.socket.on("error", (error: Error) => this.fault("PROTOCOL", error.message));
  }

  /** Send a message: a map to encode, bytes that are encoded already, or text. Silently dropped once closing. */
  send(message: WireMap | Uint8Array | string): void {
    if (!this.open) return;
    const bytes = typeof message === "string" || message instanceof Uint8Array ? message : encode(message);
    this.socket.send(bytes, () => this.relieve());
    if (this.bufferedBytes > this.facts.limits.maxBufferedBytes) this.socket.pause();
  }

  /** Close politely: what was sent before is delivered first. */
  close(code: number, reason: string): void {
    if (this.socket.readyState < this.socket.CLOSING) this.socket.close(code, reason.slice(0, 120));
    if (this.socket.isPaused) this.socket.resume();
  }

  /** Drop the connection now. */
  terminate(): void {
    this.socket.terminate();
  }

  /** Report a fault of this connection. */
  fault(code: string, message: string): void {
    this.facts.emit({ type: "fault", peer: this.id, code, message });
  }

  /** Let the handler finish. */
  async drain(): Promise<void> {
    await this.handler?.drain?.();
  }

  /** Ping, or give up on a silent peer. Called by the listener's one ticker. */
  keepAlive(nowMs: number, timeoutMs: number): void {
    if (!this.open) return;
    const silent = nowMs - this.lastSignMs > timeoutMs;
    if (silent && this.socket.isPaused) this.terminate();
    else if (silent) this.close(closeCodes.silent, "no sign of life");
    else if (!this.socket.isPaused) {
      this.pingedMs = nowMs;
      this.socket.ping();
    }
  }

  private receive(data: ArrayBuffer, isBinary: boolean): void {
    if (!this.open) return;
    this.lastSignMs = performance.now();
    try {
      if (isBinary) this.handler?.message(new Uint8Array(data));
      else if (this.handler?.text === undefined)
        this.close(closeCodes.unsupported, "this protocol is binary (msgpack)");
      else this.handler.text(Buffer.from(data).toString("utf8"));
    } catch (error) {
      this.fault("INTERNAL", error instanceof Error ? error.message : String(error));
      this.close(closeCodes.internalError, "internal server error");
    }
  }

  private ponged(): void {
    this.lastSignMs = performance.now();
    if (this.pingedMs === undefined) return;
    this.facts.emit({ type: "roundtrip", peer: this.id, networkMs: this.lastSignMs - this.pingedMs });
    this.pingedMs = undefined;
  }

  private relieve(): void {
    if (this.socket.isPaused && this.bufferedBytes <= this.facts.limits.maxBufferedBytes / 2)
      this.socket.resume();
  }

  private gone(code: number): void {
    const openMs = performance.now() - this.openedMs;
    this.facts.emit({ type: "disconnected", peer: this.id, code, openMs });
    this.handler?.closed(code);
  }
}

/** The address behind a request, for events. */
export function addressOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? "?"}:${request.socket.remotePort ?? 0}`;
}

/** The path of a request's target; never throws, whatever a stranger wrote there. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split(/[?#]/, 1)[0];
}
