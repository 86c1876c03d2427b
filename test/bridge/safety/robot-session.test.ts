/** @file An operator's session on a channel of its own: which observation ends a step, and which rewards it brings. */

import { afterEach, expect, it } from "vitest";

import { float32, ndarray } from "../../../src/core/ndarray.ts";
import type { ChannelEvents } from "../../../src/bridge/safety/channel.ts";
import { parseSafety } from "../../../src/bridge/safety/channels.ts";
import type { OperatorMessage } from "../../../src/bridge/safety/protocol.ts";
import { RobotEnv } from "../../../src/bridge/safety/robot-env.ts";
import { RobotSession } from "../../../src/bridge/safety/robot-session.ts";
import type { Observed, Welcome } from "../../../src/bridge/safety/robot-session.ts";
import { description } from "./rig.ts";

const open: RobotSession[] = [];

afterEach(() => open.splice(0).forEach((session) => session.close()));

const { channels } = parseSafety({ channels: [{ name: "speedMps", kind: "velocity", velocity: 2 }] });

const welcome: Welcome = {
  op: "welcome",
  protocol: 1,
  session: "s",
  epoch: 1,
  seq: -1,
  stamp: 0,
  channels,
  lease_ms: 150,
  heartbeat_ms: 50,
  max_action_age_ms: 1000,
  device: description,
};

async function sessionOf(more: Partial<Welcome> = {}) {
  const sent: OperatorMessage[] = [];
  let events: ChannelEvents | undefined;
  const session = new RobotSession((own) => {
    events = own;
    return Promise.resolve({ send: (message) => sent.push(message), close: () => undefined });
  });
  open.push(session);
  const opened = session.open();
  await Promise.resolve();
  events?.message({ ...welcome, ...more });
  await opened;
  let n = 0;
  const show = (observed: Partial<Observed>): void => {
    const arrays = { state: float32([0, 0]) };
    const base = {
      op: "obs",
      n: n++,
      episode: 0,
      stamp: 0,
      arrays,
      reward: 0,
      terminated: false,
      truncated: false,
      heard: -1,
    } as const;
    events?.message({ ...base, ...observed });
  };
  const begun = async (): Promise<RobotEnv> => {
    const env = new RobotEnv(session);
    const reset = env.reset();
    show({ reset: 1 });
    await reset;
    return env;
  };
  return { session, sent, show, begun };
}

const applied = (seq: number, since: number): Observed["applied"] => ({
  values: ndarray("float64", [1], Float64Array.of(1)),
  seq,
  row: 0,
  kind: "command",
  limited: false,
  count: 1,
  since,
});

it("a step ends with the first observation captured after its action went to the motor", async () => {
  const { begun, show } = await sessionOf();
  const env = await begun();
  let ended = false;
  const step = env.step(float32([1], [1, 1])).then((batch) => {
    ended = true;
    return batch;
  });
  const notYet = [
    { stamp: 10, heard: -1, stopped: "reset" as const }, // it has not been heard of: this stop is an older one
    { stamp: 20, heard: 0, applied: applied(-1, 15) },
    { stamp: 30, heard: 0, applied: applied(0, 31) }, // captured before the motor was told
  ];
  for (const observed of notYet) {
    show(observed);
    await Promise.resolve();
    await Promise.resolve();
    expect(ended).toBe(false);
  }
  show({ stamp: 40, heard: 0, applied: applied(0, 31), reward: 2 });
  expect((await step).infos.capturedMs?.values).toMatchObject({ data: Float64Array.of(40) });
});

it("a step whose action was refused ends too, and says why the robot stands", async () => {
  const { begun, show } = await sessionOf();
  const env = await begun();
  const step = env.step(float32([1], [1, 1]));
  show({ heard: 0, stopped: "late" });
  expect((await step).infos.stopReason?.values).toEqual(["late"]);
});

it("rewards of observations that were skipped are not lost, and those before a reset do not count", async () => {
  const { begun, show } = await sessionOf();
  show({ reward: 100 });
  const env = await begun();
  const step = env.step(float32([1], [1, 1]));
  show({ reward: 1 });
  show({ reward: 2 });
  show({ reward: 4, heard: 0, stamp: 9, applied: applied(0, 5) });
  expect((await step).rewards.data[0]).toBe(7);
});

it("sequence numbers go on above those that the robot remembers", async () => {
  const { begun, sent } = await sessionOf({ seq: 41 });
  const env = await begun();
  void env.step(float32([1], [1, 1])).catch(() => undefined);
  expect(sent.find(({ op }) => op === "act")).toMatchObject({ seq: 42, step_seconds: 0.1 });
});

it("an action says which observation it answers, not which is the newest", async () => {
  const { begun, show, sent } = await sessionOf();
  const env = await begun();
  show({ stamp: 77 });
  void env.step(float32([1], [1, 1])).catch(() => undefined);
  expect(sent.find(({ op }) => op === "act")).toMatchObject({ observed: 0 });
});
