/** @file A client's connection that comes back by itself: greeting first, backoff with jitter, and an honest end. */

import type { ClientRequest, IncomingMessage } from "node:http";
import type { SecureContextOptions } from "node:tls";
import { WebSocket } from "ws";
import { ReverieError, type ErrorCode } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import { isLoopback } from "../auth.ts";
import { decodeMap, encode, type WireMap } from "../codec.ts";
import { defaultLimits, type DecodeLimits } from "../limits.ts";
import { closeCodes } from "../server/closing.ts";
import { backoffMs, type BackoffOptions } from "./backoff.ts";

/** Options of every client of the bridge. */
export interface LinkOptions {
  /** `ws://host:port/path` or `wss://…`. */
  readonly url: string;
  /** Sent as `Authorization: Api-Key …`. */
  readonly token?: string;
  /** Certificates to trust or show, for `wss:`. */
  readonly tls?: SecureContextOptions & { readonly rejectUnauthorized?: boolean };
  /** How long the first connection may take, servers that are still starting included. Default 5000. */
  readonly connectTimeoutMs?: number;
  readonly backoff?: BackoffOptions;
  /** Attempts after a loss before giving up. Default: no limit. */
  readonly maxAttempts?: number;
  /** Largest message accepted from the server. Default 256 MiB: batches of frames are large. */
  readonly maxBytes?: number;
  /** Silence after which the connection counts as lost; the server is asked for a sign of life twice as often. Default 10 s, 0 for never. */
  readonly silenceMs?: number;
}

/** What a link tells its owner. */
export interface LinkEvents {
  /** Connected (again); `greeting` is the server's first message. A thrown ReverieError ends the link. */
  opened(greeting: WireMap): void;
  /** What to send for a sign of life; undefined for a WebSocket ping, which some tunnels swallow. */
  heartbeat(): WireMap | undefined;
  message(message: WireMap): void;
  /** A text frame: openpi's way to report an error. */
  text(text: string): void;
  /** The connection is gone; the link is trying to get another. */
  lost(error: ReverieError): void;
  /** The link will not come back. */
  ended(error: ReverieError): void;
}

/** Codes after which coming back would meet the same end. */
const finalCodes: ReadonlySet<number> = new Set([
  closeCodes.unsupported,
  closeCodes.invalidPayload,
  closeCodes.policyViolation,
  closeCodes.tooLarge,
  closeCodes.takenOver,
]);

/**
 * A mask of zeros. Masks keep a page's scripts from feeding chosen bytes to proxies on the way (RFC 6455 §10.3); where no
 * proxy can see the bytes they only cost two passes over every frame.
 */
function noMask(mask: Buffer): void {
  mask.fill(0);
}

/** Is there nobody between us and the server who could read the bytes: encrypted, or on this machine? */
function isPrivate(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "wss:" || isLoopback(hostname.replace(/^\[|\]$/g, ""));
}

/** One logical connection over as many sockets as it takes. */
export class Link {
  private readonly options: LinkOptions;
  private readonly events: LinkEvents;
  private readonly limits: DecodeLimits;
  private readonly jitter = Rng.fromSeed();
  private socket: WebSocket | undefined;
  private greeted = false;
  private everGreeted = false;
  private attempt = 0;
  private timer: NodeJS.Timeout | undefined;
  private deadline: NodeJS.Timeout | undefined;
  private watch: NodeJS.Timeout | undefined;
  private heardMs = 0;
  private over = false;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.options = options;
    this.events = events;
    this.limits = { ...defaultLimits, maxBytes: options.maxBytes ?? 256 * 1024 * 1024, maxValues: 1_000_000 };
  }

  /** Is a message sent now going anywhere? */
  get open(): boolean {
    return this.greeted && this.socket?.readyState === WebSocket.OPEN;
  }

  /** Bytes accepted by `send` that the network has not taken yet. */
  get bufferedBytes(): number {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** Begin connecting. */
  start(): void {
    const { connectTimeoutMs = 5000, silenceMs = 10_000 } = this.options;
    this.deadline = setTimeout(() => {
      this.end("TIMEOUT", `no answer from ${this.options.url} within ${connectTimeoutMs} ms`);
    }, connectTimeoutMs);
    if (silenceMs > 0) this.watch = setInterval(() => this.checkSilence(silenceMs), silenceMs / 2).unref();
    this.connect();
  }

  /** Send a message if connected. @returns whether it was handed to the network */
  send(message: WireMap | Uint8Array): boolean {
    if (!this.open) return false;
    this.socket?.send(message instanceof Uint8Array ? message : encode(message));
    return true;
  }

  /** Give up this socket and get another, e.g. after a reply that is too late to be trusted. */
  renew(reason: string): void {
    if (!this.over) this.drop(this.socket, this.error("CONNECTION_LOST", reason));
  }

  /** End for good. */
  close(): void {
    if (this.over) return;
    this.over = true;
    this.forget();
    this.socket?.close(closeCodes.normal);
    const { socket } = this;
    setTimeout(() => socket?.terminate(), 500).unref();
  }

  private connect(): void {
    const { url, token, tls, connectTimeoutMs = 5000 } = this.options;
    const headers = token === undefined ? undefined : { Authorization: `Api-Key ${token}` };
    const socket = new WebSocket(url, {
      ...tls,
      ...(isPrivate(url) ? { generateMask: noMask } : {}),
      headers,
      perMessageDeflate: false,
      maxPayload: this.limits.maxBytes,
      handshakeTimeout: connectTimeoutMs,
    });
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.greeted = false;
    socket.on("message", (data: ArrayBuffer, isBinary: boolean) => this.receive(socket, data, isBinary));
    socket.on("pong", () => {
      this.heardMs = performance.now();
    });
    socket.on("unexpected-response", (request, response) => this.refused(request, response, socket));
    socket.on("error", (error) => this.drop(socket, this.error("CONNECTION_LOST", error.message)));
    socket.on("close", (code, reason) => this.closed(socket, code, reason.toString()));
  }

  private receive(socket: WebSocket, data: ArrayBuffer, isBinary: boolean): void {
    if (socket !== this.socket || this.over) return;
    this.heardMs = performance.now();
    if (!isBinary) return this.events.text(Buffer.from(data).toString("utf8"));
    let message: WireMap;
    try {
      message = decodeMap(new Uint8Array(data), { limits: this.limits });
    } catch (error) {
      return this.end("PROTOCOL", "the server sent a malformed message", error);
    }
    if (this.greeted) this.events.message(message);
    else this.greet(message);
  }

  private greet(greeting: WireMap): void {
    clearTimeout(this.deadline);
    this.greeted = true;
    this.everGreeted = true;
    this.attempt = 0;
    try {
      this.events.opened(greeting);
    } catch (error) {
      if (!(error instanceof ReverieError)) throw error;
      this.end(error.code, error.message, error);
    }
  }

  private refused(request: ClientRequest, response: IncomingMessage, socket: WebSocket): void {
    const status = response.statusCode ?? 0;
    request.destroy();
    if (status === 401 || status === 403)
      return this.end("UNAUTHORIZED", `${this.options.url} refused with HTTP ${status}`);
    this.drop(socket, this.error("CONNECTION_LOST", `HTTP ${status}`));
  }

  private closed(socket: WebSocket, code: number, reason: string): void {
    const what = `connection closed with ${code}${reason === "" ? "" : ` (${reason})`}`;
    if (finalCodes.has(code) && socket === this.socket) this.end("PROTOCOL", what);
    else this.drop(socket, this.error("CONNECTION_LOST", what));
  }

  private drop(socket: WebSocket | undefined, error: ReverieError): void {
    if (socket === undefined || socket !== this.socket || this.over) return;
    this.socket = undefined;
    const wasOpen = this.greeted;
    this.greeted = false;
    socket.terminate();
    if (wasOpen) this.events.lost(error);
    if (this.over) return;
    if (this.everGreeted && this.attempt >= (this.options.maxAttempts ?? Infinity)) {
      return this.end(
        "CONNECTION_LOST",
        `${error.message}, and ${this.attempt} attempts to come back failed`,
      );
    }
    this.timer = setTimeout(
      () => this.connect(),
      backoffMs(this.attempt++, this.jitter.random(), this.options.backoff),
    );
  }

  private checkSilence(silenceMs: number): void {
    if (!this.open) return;
    if (performance.now() - this.heardMs > silenceMs) this.renew(`no sign of life for ${silenceMs} ms`);
    else {
      const heartbeat = this.events.heartbeat();
      if (heartbeat === undefined) this.socket?.ping();
      else this.send(heartbeat);
    }
  }

  private end(code: ErrorCode, what: string, cause?: unknown): void {
    if (this.over) return;
    this.over = true;
    this.forget();
    this.socket?.terminate();
    this.events.ended(this.error(code, what, cause));
  }

  private forget(): void {
    clearTimeout(this.timer);
    clearTimeout(this.deadline);
    clearInterval(this.watch);
  }

  private error(code: ErrorCode, what: string, cause?: unknown): ReverieError {
    return new ReverieError({ code, what, fix: `check the server at ${this.options.url}`, cause });
  }
}
