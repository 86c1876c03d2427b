/** @file All three processes at once: the car, its onboard computer, and an operator that drives. Arguments go to the operator. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const children: ChildProcess[] = [];

/** Nobody is left driving when this process is told to end. */
function endAll(): void {
  for (const child of children) child.kill("SIGTERM");
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, endAll);

function start(script: string, args: readonly string[], stdout: "pipe" | "inherit"): ChildProcess {
  const file = new URL(`./${script}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", file, ...args], {
    stdio: ["ignore", stdout, "inherit"],
  });
  children.push(child);
  return child;
}

/** A process that stays, and the address that it prints first. */
async function serve(script: string, ...args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = start(script, args, "pipe");
  const [url] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line")) as [
    string,
  ];
  return { child, url };
}

const car = await serve("car", "0", "10", "0");
const onboard = await serve("onboard", car.url, "0");
process.stdout.write(
  `car ${car.url}\nonboard ${onboard.url} (metrics: ${onboard.url.replace("ws", "http")}/metrics)\n`,
);
const operator = start("drive", [onboard.url, ...process.argv.slice(2)], "inherit");
const [code] = (await once(operator, "exit")) as [number | null];
endAll();
process.exitCode = code ?? 1;
