/** @file Real processes for tests: started through the TypeScript loader, their JSON lines read as they come. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A child process and what it printed. */
export class Child {
  readonly process: ChildProcess;
  readonly lines: Record<string, unknown>[] = [];
  readonly exited: Promise<number | null>;

  constructor(file: string, ...args: readonly string[]) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.process = spawn(process.execPath, ["--import", "tsx", path, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      this.lines.push(JSON.parse(line) as Record<string, unknown>);
    });
    this.exited = new Promise((resolve) => this.process.on("exit", (code) => resolve(code)));
  }

  /** The first line that has `key`. */
  async said(key: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = this.lines.find((candidate) => key in candidate);
      if (line !== undefined) return line;
      if (this.process.exitCode !== null) throw new Error(`process ended with ${this.process.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Signal it, and wait for its end where the signal is one. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.process.kill(signal);
    if (signal !== "SIGSTOP" && signal !== "SIGCONT") await this.exited;
  }
}
