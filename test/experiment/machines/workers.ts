/** @file Worker processes of a test: started together, watched by what they print, killed in the end. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

const running: ChildProcess[] = [];

afterAll(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

/** A process and everything it has printed. */
export interface TestWorker {
  readonly child: ChildProcess;
  text(): string;
  /** Until it has printed this. */
  printed(wanted: RegExp): Promise<void>;
  /** Until it has ended. @returns its exit code */
  ended(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Start a script of this folder. */
export function startWorker(
  script: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): TestWorker {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", path, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  running.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (text += data.toString()));
  const exit = once(child, "exit");
  return {
    child,
    text: () => text,
    async printed(wanted) {
      while (!wanted.test(text) && child.exitCode === null) {
        await new Promise((resolve) => {
          setTimeout(resolve, 10);
        });
      }
    },
    async ended() {
      await exit;
      return child.exitCode;
    },
    async kill() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}
