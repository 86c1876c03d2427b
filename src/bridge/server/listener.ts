/** @file The listener: loopback by default, every check before any handler, HTTP routes beside it, and a graceful end. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { type Access, type AccessOptions, checkExposure, makeAccess, type Refusal } from "../auth.ts";
import { type ServerLimits, withLimits } from "../limits.ts";
import { closeCodes } from "./closing.ts";
import type { EventSink } from "./events.ts";
import { addressOf, type KeepaliveOptions, pathOf, Peer, type PeerHandler } from "./peer.ts";

/** An HTTP answer beside the WebSocket, e.g. `/metrics`. Guarded by the token, as the sockets are. */
export type Route = (request: IncomingMessage, response: ServerResponse) => void;

/** Options of every server of the bridge. */
export interface ListenerOptions extends AccessOptions {
  /** Default 127.0.0.1. Another address needs a token. */
  readonly host?: string;
  /** Default 8000, as openpi's; 0 lets the system choose. */
  readonly port?: number;
  /** Serve `wss:` with these, as `node:https` takes them. */
  readonly tls?: TlsOptions;
  readonly limits?: Partial<ServerLimits>;
  /** Default: ping every 20 s, give up after 60 s of silence. */
  readonly keepalive?: Partial<KeepaliveOptions>;
  /** How long `drain` waits for work under way. Default 5000. */
  readonly drainMs?: number;
  readonly routes?: Readonly<Record<string, Route>>;
  /** WebSocket subprotocols this server speaks; the first one that the client offers is selected. */
  readonly protocols?: readonly string[];
  /** Asked by `/healthz`: why the server cannot work right now, or undefined. Must not block. */
  readonly health?: () => string | undefined;
  readonly onEvent?: EventSink;
}

const pingDefaults: KeepaliveOptions = { intervalMs: 20_000, timeoutMs: 60_000 };

/** A listening server. */
export class Listener {
  readonly limits: ServerLimits;
  private readonly options: ListenerOptions;
  private readonly access: Access;
  private readonly accept: (peer: Peer) => PeerHandler;
  private readonly http: Server;
  private readonly sockets: WebSocketServer;
  private readonly peers = new Set<Peer>();
  private readonly emit: EventSink;
  private pinger: NodeJS.Timeout | undefined;
  private tickedMs = performance.now();
  private address: AddressInfo | undefined;
  private nextPeer = 1;
  private ending: Promise<void> | undefined;

  constructor(accept: (peer: Peer) => PeerHandler, options: ListenerOptions) {
    checkExposure(options.host ?? "127.0.0.1", options);
    this.accept = accept;
    this.options = options;
    this.access = makeAccess(options);
    this.limits = withLimits(options.limits);
    this.emit = options.onEvent ?? (() => undefined);
    this.http = makeHttp(options.tls, (request, response) => this.answer(request, response));
    this.http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.upgrade(request, socket, head),
    );
    this.sockets = new WebSocketServer({
      noServer: true,
      maxPayload: this.limits.maxBytes,
      perMessageDeflate: false,
      clientTracking: false,
      handleProtocols: (offered) => options.protocols?.find((name) => offered.has(name)) ?? false,
    });
  }

  /** Where clients connect, e.g. `ws://127.0.0.1:8000`; empty before `listen`. */
  get url(): string {
    if (this.address === undefined) return "";
    const { address, family, port } = this.address;
    const host = family === "IPv6" ? `[${address}]` : address;
    return `${this.options.tls === undefined ? "ws" : "wss"}://${host}:${port}`;
  }

  get port(): number {
    return this.address?.port ?? 0;
  }

  /** Connections right now. */
  get connections(): number {
    return this.peers.size;
  }

  /** Start listening. @throws the system's error when the address is taken */
  async listen(): Promise<void> {
    const { host = "127.0.0.1", port = 8000 } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.http.once("error", reject);
      this.http.listen(port, host, resolve);
    });
    this.address = this.http.address() as AddressInfo;
    this.tickedMs = performance.now();
    const keepalive = { ...pingDefaults, ...this.options.keepalive };
    if (keepalive.intervalMs > 0) {
      this.pinger = setInterval(() => this.keepAlive(keepalive), keepalive.intervalMs).unref();
    }
  }

  /**
   * End gracefully: refuse newcomers, let handlers finish what is under way, close with 1001, and after `drainMs` drop
   * whatever is left.
   */
  drain(drainMs: number = this.options.drainMs ?? 5000): Promise<void> {
    this.ending ??= this.end(drainMs);
    return this.ending;
  }

  /** End at once. */
  close(): Promise<void> {
    return this.drain(0);
  }

  private async end(drainMs: number): Promise<void> {
    clearInterval(this.pinger);
    const stopped = new Promise<void>((resolve) => this.http.close(() => resolve()));
    if (drainMs > 0) await withDeadline(Promise.all([...this.peers].map((peer) => peer.drain())), drainMs);
    for (const peer of this.peers) peer.close(closeCodes.goingAway, "server is going away");
    this.http.closeIdleConnections();
    await withDeadline(stopped, Math.max(100, Math.min(drainMs, 1000)));
    for (const peer of this.peers) peer.terminate();
    this.http.closeAllConnections();
    await stopped;
  }

  /** A tick that comes late says that this process stood still, not that its peers are silent. */
  private keepAlive(keepalive: KeepaliveOptions): void {
    const nowMs = performance.now();
    const stalled = nowMs - this.tickedMs > 2 * keepalive.intervalMs;
    this.tickedMs = nowMs;
    const timeoutMs = stalled ? Infinity : keepalive.timeoutMs;
    for (const peer of this.peers) peer.keepAlive(nowMs, timeoutMs);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const verdict = this.judge(request);
    if (typeof verdict !== "string") {
      this.emit({ type: "refused", reason: verdict.reason, address: addressOf(request) });
      socket.end(
        `HTTP/1.1 ${verdict.status} ${verdict.reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
      return;
    }
    this.sockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.welcome(webSocket, request, verdict),
    );
  }

  /** The principal, or why the request is refused. */
  private judge(request: IncomingMessage): string | Refusal {
    if (this.ending !== undefined) return { status: 503, reason: "draining" };
    if (this.peers.size >= this.limits.maxConnections) return { status: 503, reason: "connections" };
    return this.access.origin(request.headers.origin) ?? this.access.principal(request.headers.authorization);
  }

  private welcome(socket: WebSocket, request: IncomingMessage, principal: string): void {
    const peer = new Peer(socket, {
      id: this.nextPeer++,
      principal,
      request,
      limits: this.limits,
      emit: this.emit,
    });
    this.peers.add(peer);
    socket.once("close", () => this.peers.delete(peer));
    this.emit({ type: "connected", peer: peer.id, principal, address: peer.address });
    peer.serve(this.accept(peer));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = pathOf(request);
    if (path === "/healthz") return this.answerHealth(response);
    const verdict = this.judge(request);
    if (typeof verdict !== "string") return void response.writeHead(verdict.status).end();
    const route = this.options.routes?.[path];
    if (route === undefined) response.writeHead(404).end("not found\n");
    else route(request, response);
  }

  private answerHealth(response: ServerResponse): void {
    const trouble = this.ending === undefined ? this.options.health?.() : "draining";
    response.writeHead(trouble === undefined ? 200 : 503, { "Content-Type": "text/plain" });
    response.end(trouble === undefined ? "OK\n" : `${trouble}\n`);
  }
}

/** Listen, and hand every connection that passes the checks to `accept`. */
export async function openListener(
  accept: (peer: Peer) => PeerHandler,
  options: ListenerOptions,
): Promise<Listener> {
  const listener = new Listener(accept, options);
  await listener.listen();
  return listener;
}

function makeHttp(tls: TlsOptions | undefined, answer: Route): Server {
  const timeouts = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 };
  return tls === undefined
    ? createServer(timeouts, answer)
    : createTlsServer({ ...tls, ...timeouts }, answer);
}

async function withDeadline(work: Promise<unknown>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
