/** @file The dashboard's server: one page, its scripts, and a socket over which everything else comes. */

import { readFileSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { fail } from "../core/errors.ts";
import type { Client, Knowledge } from "./client.ts";
import { serveClient } from "./client.ts";
import type { Gate } from "./exposure.ts";
import { makeGate, requireToken } from "./exposure.ts";
import type { MetricsTail, RunView } from "./feed.ts";
import { describeRun, findRuns, followMetrics } from "./feed.ts";
import { pageHtml } from "./page-html.ts";
import { pageCss } from "./page-style.ts";
import type { BridgeView } from "./robots.ts";
import { askBridge, metricsUrl } from "./robots.ts";
import type { OpenWorld } from "./worlds.ts";
import { makeWorlds, openWorldProcess } from "./worlds.ts";
import { join } from "node:path";

/** What to show, and to whom. */
export interface DashboardOptions {
  /** Folders of runs, of sweeps, or of several of them; looked through again as they grow. */
  readonly runs: readonly string[];
  /** Addresses of bridges, as in `http://robot:8000`. */
  readonly bridges?: readonly string[];
  readonly bridgeToken?: string;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** 7788 unless given; 0 takes a free one. */
  readonly port?: number;
  /** Needed off loopback. */
  readonly token?: string;
  /** Let pages play in the runs' worlds; they only look otherwise. Runs and robots cannot be changed either way. */
  readonly play?: boolean;
  /** How worlds are started; in processes of their own unless given. */
  readonly openWorld?: OpenWorld;
  /** Milliseconds between looks at the folders; 1000 unless given. */
  readonly pollMs?: number;
}

/** A dashboard at work. */
export interface Dashboard {
  /** With the token, where there is one. */
  readonly url: string;
  close(): Promise<void>;
}

const scripts = ["app", "curves", "overview", "robots", "worlds"] as const;

const headers = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...headers, "content-type": `${type}; charset=utf-8` }).end(body);
}

/** The page's files by path. */
function assetsOf(): Map<string, { readonly type: string; readonly body: string }> {
  const script = (name: string): string => readFileSync(new URL(`page/${name}.mjs`, import.meta.url), "utf8");
  return new Map([
    ["/", { type: "text/html", body: pageHtml }],
    ["/style.css", { type: "text/css", body: pageCss }],
    ...scripts.map((name) => [`/${name}.mjs`, { type: "text/javascript", body: script(name) }] as const),
  ]);
}

function makeHandler(gate: Gate): (request: IncomingMessage, response: ServerResponse) => void {
  const assets = assetsOf();
  return (request, response) => {
    const url = new URL(request.url ?? "/", "http://dashboard");
    const cookie = gate.cookieFor(url.searchParams.get("token") ?? "");
    if (cookie !== undefined) {
      response.writeHead(303, { ...headers, location: "/", "set-cookie": cookie }).end();
      return;
    }
    const refused = gate.refuse(request);
    if (refused !== undefined)
      return answer(
        response,
        refused,
        "text/plain",
        refused === 401 ? "a token is needed\n" : "not from here\n",
      );
    if (request.method !== "GET" && request.method !== "HEAD")
      return answer(response, 405, "text/plain", "this page is only read\n");
    const asset = assets.get(url.pathname);
    if (asset === undefined) return answer(response, 404, "text/plain", "no such page\n");
    answer(response, 200, asset.type, asset.body);
  };
}

/** Looks at folders and bridges; `known` is what pages are served from. */
function makeWatch(options: DashboardOptions): { known: Knowledge; poll(): Promise<void> } {
  const tails = new Map<string, MetricsTail>();
  let [runs, bridges]: [RunView[], BridgeView[]] = [[], []];
  const worlds = makeWorlds(options.openWorld ?? openWorldProcess);
  let asking = false;
  // Nobody waits for a bridge that does not answer.
  const askBridges = (): void => {
    if (asking) return;
    asking = true;
    const all = (options.bridges ?? []).map((url) => askBridge(url, options.bridgeToken));
    void Promise.all(all).then((views) => {
      [bridges, asking] = [views, false];
    });
  };
  const known: Knowledge = {
    get runs() {
      return runs;
    },
    get bridges() {
      return bridges;
    },
    metrics: tails,
    worlds,
    mayPlay: options.play === true,
  };
  return {
    known,
    async poll() {
      runs = findRuns(options.runs).map(describeRun);
      for (const { id, path } of runs) {
        const tail = tails.get(id) ?? followMetrics(join(path, "metrics.jsonl"));
        tails.set(id, tail);
        tail.poll();
      }
      askBridges();
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  }).catch((cause: unknown) =>
    fail({
      code: "IO_FAILED",
      what: `cannot listen on ${host}:${port}`,
      got: (cause as Error).message,
      fix: "choose another port with --port",
      cause,
    }),
  );
  return (server.address() as AddressInfo).port;
}

/**
 * Show runs on a page until it is closed.
 * @throws UNAUTHORIZED off loopback without a token; INVALID_ARGUMENT for a bridge that is no address; IO_FAILED
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { host = "127.0.0.1", token, pollMs = 1000 } = options;
  requireToken(host, token);
  for (const bridge of options.bridges ?? []) metricsUrl(bridge);
  const gate = makeGate(host, token);
  const watch = makeWatch(options);
  await watch.poll();
  const clients = new Set<Client>();
  const server = createServer(makeHandler(gate));
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024, perMessageDeflate: true });
  server.on("upgrade", (request, socket, head) => {
    const refused = gate.refuse(request);
    if (refused !== undefined) return socket.end(`HTTP/1.1 ${refused} Refused\r\nConnection: close\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (ws) => {
      const client = serveClient(ws, watch.known);
      clients.add(client);
      ws.on("close", () => clients.delete(client));
    });
  });
  const port = await listen(server, host, options.port ?? 7788);
  const stop = repeat(pollMs, async () => {
    if (clients.size === 0) return;
    await watch.poll();
    for (const client of clients) client.tick();
  });
  const shown = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${port}/${token === undefined ? "" : `?token=${encodeURIComponent(token)}`}`,
    async close() {
      await stop();
      watch.known.worlds.close();
      for (const ws of sockets.clients) ws.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Do `body` again and again with a pause between; one that fails is told and tried again. */
function repeat(ms: number, body: () => Promise<void>): () => Promise<void> {
  const stop = new AbortController();
  let wake = (): void => undefined;
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await body();
      } catch (error) {
        process.stderr.write(`dashboard: ${(error as Error).message}\n`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => (clearTimeout(timer), resolve());
      });
    }
  };
  const running = loop();
  return async () => {
    stop.abort();
    wake();
    await running;
  };
}
