/** @file A real nats-server for tests: on a free port, storing in a temporary folder, to be killed and started again. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll } from "vitest";
import { natsServer } from "../../needing.ts";
import { newFolder } from "../folders.ts";

const running = new Set<ChildProcess>();

// A test that fails leaves its server to this.
afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** A running server. */
export interface TestServer {
  readonly url: string;
  /** SIGKILL; what it stored stays. */
  kill(): Promise<void>;
  /** Its configuration, and what it stores of each stream. */
  readonly files: { readonly config: string; readonly streams: string };
  /** Stopped in order, or killed, and started on the same port and folder; in between, its files can be touched. */
  restart(signal?: "SIGTERM" | "SIGKILL", touch?: () => void): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const open = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

/** @param settings further lines of its configuration */
export async function startNats(settings = ""): Promise<TestServer> {
  const port = await freePort();
  const folder = newFolder();
  const config = join(folder, "server.conf");
  writeFileSync(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}" }\n${settings}\n`);
  let child: ChildProcess | undefined;
  const stop = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    if (child === undefined) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
    running.delete(child);
    child = undefined;
  };
  const start = async (): Promise<void> => {
    child = spawn(natsServer.program, ["-c", config], { stdio: "ignore" });
    running.add(child);
    await listening(port);
  };
  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    files: { config, streams: join(folder, "jetstream", "$G", "streams") },
    kill: () => stop("SIGKILL"),
    async restart(signal = "SIGTERM", touch) {
      await stop(signal);
      touch?.();
      await start();
    },
  };
}
