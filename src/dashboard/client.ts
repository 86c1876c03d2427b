/** @file One open page: what it follows, what it has been sent already, and what it asks for. */

import type { WebSocket } from "ws";
import { z } from "zod";
import type { MetricLine } from "../experiment/records/metrics.ts";
import type { BridgeView } from "./robots.ts";
import type { MetricsTail, RunView } from "./feed.ts";
import { makeLatestSender } from "./latest.ts";
import type { WorldMode, Worlds } from "./worlds.ts";

/** What a page may say. */
const request = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("follow"), runs: z.array(z.string()).max(100) }),
  z.strictObject({ type: z.literal("look"), mode: z.enum(["play", "watch"]), run: z.string() }),
  z.strictObject({ type: z.literal("leave") }),
  z.strictObject({ type: z.literal("shown") }),
  z.strictObject({ type: z.literal("key"), key: z.string().max(20), down: z.boolean() }),
]);

/** What the server knows, for every page. */
export interface Knowledge {
  readonly runs: readonly RunView[];
  readonly bridges: readonly BridgeView[];
  /** By a run's id. */
  readonly metrics: ReadonlyMap<string, MetricsTail>;
  readonly worlds: Worlds;
  /** May pages play? Without it they only look. */
  readonly mayPlay: boolean;
}

/** Beyond this much unsent, a page gets no more numbers until it has caught up. */
const backlogBytes = 256 * 1024;
/** First answer about a stage's curve: this many lines at most, evenly chosen. */
const firstLines = 600;

/** Thin long histories, keeping each stage's first and last line. */
export function thinLines(lines: readonly MetricLine[], limit: number): MetricLine[] {
  const counts = new Map<string, number>();
  for (const { stage } of lines) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  const seen = new Map<string, number>();
  return lines.filter(({ stage }) => {
    const [index, count] = [seen.get(stage) ?? 0, counts.get(stage) ?? 0];
    seen.set(stage, index + 1);
    return index % Math.ceil(count / limit) === 0 || index === count - 1;
  });
}

/** Six digits are more than a screen shows; the clock is of no use there. */
function compact({ time: _time, ...line }: MetricLine): Record<string, unknown> {
  const short = Object.entries(line).map(([key, value]) => [
    key,
    typeof value === "number" && key !== "step" ? Number(value.toPrecision(6)) : value,
  ]);
  return Object.fromEntries(short) as Record<string, unknown>;
}

/** A page. */
export interface Client {
  /** Send what has changed. */
  tick(): void;
}

/** Serve one page over `socket` until it closes. */
export function serveClient(socket: WebSocket, known: Knowledge): Client {
  const sent = new Map<string, { count: number; generation: number }>();
  let followed: readonly string[] = [];
  let lastOverview = "";
  const view = makeView(socket, known);
  const send = (message: unknown): void => socket.send(JSON.stringify(message));
  const sendLines = (run: string): void => {
    const tail = known.metrics.get(run);
    if (tail === undefined) return;
    const before = sent.get(run);
    const whole = before === undefined || before.generation !== tail.generation;
    const fresh = whole ? thinLines(tail.lines, firstLines) : tail.lines.slice(before.count);
    sent.set(run, { count: tail.lines.length, generation: tail.generation });
    if (whole || fresh.length > 0) send({ type: "lines", run, whole, lines: fresh.map(compact) });
  };
  const tick = (): void => {
    if (socket.readyState !== socket.OPEN || socket.bufferedAmount > backlogBytes) return;
    const { runs, bridges, mayPlay } = known;
    const damaged = [...known.metrics.values()].reduce((sum, tail) => sum + tail.damaged, 0);
    const overview = JSON.stringify({ type: "overview", runs, bridges, mayPlay, damaged });
    if (overview !== lastOverview) socket.send(overview);
    lastOverview = overview;
    for (const run of followed) sendLines(run);
  };
  socket.on("message", (data) => {
    const parsed = request.safeParse(parseJson(data));
    if (!parsed.success) return socket.close(1008, "not a request of this page");
    const { data: asked } = parsed;
    if (asked.type !== "follow") return view.handle(asked);
    followed = asked.runs;
    tick();
  });
  socket.on("close", () => view.leave());
  socket.on("error", () => socket.terminate());
  tick();
  return { tick };
}

function parseJson(data: unknown): unknown {
  try {
    return JSON.parse(String(data));
  } catch {
    return undefined;
  }
}

type ViewRequest = Exclude<z.output<typeof request>, { type: "follow" }>;

/** The world that a page looks at. */
function makeView(socket: WebSocket, known: Knowledge): { handle(asked: ViewRequest): void; leave(): void } {
  let end = (): void => undefined;
  let present: { readonly mode: WorldMode; readonly run: string } | undefined;
  let sender = makeLatestSender(() => undefined);
  const refuse = (message: string): void => socket.send(JSON.stringify({ type: "world-error", message }));
  const leave = (): void => {
    end();
    present = undefined;
    end = () => undefined;
  };
  const look = (mode: WorldMode, id: string): void => {
    leave();
    const run = known.runs.find((one) => one.id === id);
    if (run === undefined) return refuse("no such run");
    if (mode === "play" && !known.mayPlay) return refuse("start the dashboard with --play to play");
    sender = makeLatestSender((frame) => socket.send(frame));
    const own = sender;
    present = { mode, run: run.path };
    end = known.worlds.join(mode, run.path, { frame: (bytes) => own.offer(bytes), error: refuse });
  };
  return {
    leave,
    handle(asked) {
      if (asked.type === "look") return look(asked.mode, asked.run);
      if (asked.type === "leave") return leave();
      if (asked.type === "shown") return sender.acknowledge();
      if (present === undefined || present.mode !== "play" || !known.mayPlay) return;
      known.worlds.key(present.mode, present.run, { name: asked.key, down: asked.down });
    },
  };
}
