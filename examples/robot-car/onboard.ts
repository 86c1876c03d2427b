/** @file The robot's onboard computer: the guard in front of the car, and the door for operators. Nothing else reaches the car. */

import { readFileSync } from "node:fs";

import { parse } from "yaml";

import { openRobot } from "../../src/bridge/safety.ts";
import type { Robot, RobotOptions } from "../../src/bridge/safety.ts";
import { stopOnSignals } from "../../src/bridge/server/signals.ts";

/** Start the guard as `robot.yaml` says, with other addresses where given. */
export function startOnboard(urls: { device?: string; port?: number } = {}): Promise<Robot> {
  const file = new URL("./robot.yaml", import.meta.url);
  const { device, listen, safety } = parse(readFileSync(file, "utf8")) as {
    safety: RobotOptions["safety"];
    device: { kind: "websocket"; url: string };
    listen: { port: number };
  };
  return openRobot({
    safety,
    device: { ...device, url: urls.device ?? device.url },
    listen: { ...listen, port: urls.port ?? listen.port },
  });
}

if (process.argv[1]?.endsWith("onboard.ts") === true) {
  const [device, port] = process.argv.slice(2);
  const robot = await startOnboard({ device, port: port === undefined ? undefined : Number(port) });
  stopOnSignals(() => robot.close());
  process.stdout.write(`${robot.url}\n`);
  robot.events.subscribe((event) => process.stderr.write(`${JSON.stringify(event)}\n`));
}
