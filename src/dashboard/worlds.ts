/** @file Worlds that someone looks at: one process each, shared by its viewers and gone with the last of them. */

import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { HostMessage } from "./world-host.ts";

/** Playing changes nothing but the played world; watching not even that. */
export type WorldMode = "play" | "watch";

/** Someone who looks. */
export interface Viewer {
  frame(bytes: Uint8Array): void;
  error(message: string): void;
}

/** A world at work. */
export interface WorldHandle {
  key(name: string, down: boolean): void;
  close(): void;
}

/** Starts a world; replaced in tests. */
export type OpenWorld = (mode: WorldMode, run: string, viewer: Viewer) => WorldHandle;

const source = import.meta.url.endsWith(".ts");

/** Start a process for the world. From source it needs the loader that runs TypeScript. */
export const openWorldProcess: OpenWorld = (mode, run, viewer) => {
  const entry = fileURLToPath(new URL(source ? "world-host.ts" : "world-host.js", import.meta.url));
  const execArgv = source ? ["--import", import.meta.resolve("tsx")] : [];
  const child: ChildProcess = fork(entry, [mode, run], {
    execArgv,
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  let told = false;
  child.on("message", (message: HostMessage) => {
    if ("frame" in message) return viewer.frame(message.frame);
    told = true;
    viewer.error(message.error);
  });
  child.on("exit", (code, signal) => {
    if (!told && code !== 0 && signal !== "SIGTERM")
      viewer.error(`the world's process ended (${signal ?? `code ${code}`})`);
  });
  return {
    key: (key, down) => void (child.connected && child.send({ key, down })),
    close: () => void (child.connected ? child.disconnect() : child.kill()),
  };
};

interface OpenOne {
  readonly handle: WorldHandle;
  readonly viewers: Set<Viewer>;
}

/** All worlds that are looked at now. */
export interface Worlds {
  /** Look at a world until the returned function is called; the first viewer starts it. */
  join(mode: WorldMode, run: string, viewer: Viewer): () => void;
  key(mode: WorldMode, run: string, key: { readonly name: string; readonly down: boolean }): void;
  readonly count: number;
  close(): void;
}

const most = 3;

/** Viewers as one. */
function everyoneOf(viewers: ReadonlySet<Viewer>, onError: () => void): Viewer {
  return {
    frame: (bytes) => viewers.forEach((viewer) => viewer.frame(bytes)),
    error(message) {
      viewers.forEach((viewer) => viewer.error(message));
      onError();
    },
  };
}

/** @param open how a world is started */
export function makeWorlds(open: OpenWorld): Worlds {
  const running = new Map<string, OpenOne>();
  const keyOf = (mode: WorldMode, run: string): string => `${mode} ${run}`;
  const start = (mode: WorldMode, run: string): OpenOne => {
    const viewers = new Set<Viewer>();
    const everyone = everyoneOf(viewers, () => running.delete(keyOf(mode, run)));
    const one = { handle: open(mode, run, everyone), viewers };
    running.set(keyOf(mode, run), one);
    return one;
  };
  const leave = (key: string, one: OpenOne, viewer: Viewer): void => {
    one.viewers.delete(viewer);
    if (one.viewers.size > 0) return;
    one.handle.close();
    if (running.get(key) === one) running.delete(key);
  };
  return {
    join(mode, run, viewer) {
      const key = keyOf(mode, run);
      if (!running.has(key) && running.size >= most) {
        viewer.error(`${most} worlds are open already; leave one first`);
        return () => undefined;
      }
      const one = running.get(key) ?? start(mode, run);
      one.viewers.add(viewer);
      return () => leave(key, one, viewer);
    },
    key: (mode, run, { name, down }) => running.get(keyOf(mode, run))?.handle.key(name, down),
    get count() {
      return running.size;
    },
    close() {
      for (const { handle } of running.values()) handle.close();
      running.clear();
    },
  };
}
