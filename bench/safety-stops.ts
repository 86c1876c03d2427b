/** @file How fast a robot stands still: operators are killed and frozen in real processes, and the motor says when it heard zero. */

import { parseArgs } from "node:util";

import { cadence, end, missedTicks, now, openMotor, start, until } from "../test/bridge/safety/processes.ts";

const { values } = parseArgs({
  options: { trials: { type: "string", default: "10" }, windows: { type: "string", default: "6" } },
});
const motor = await openMotor();
const onboard = await start("onboard", motor.port.url, "busy");
const { url, raised } = JSON.parse(onboard.line) as { url: string; raised: boolean };

async function trial(signal: "SIGKILL" | "SIGSTOP"): Promise<number> {
  const { child } = await start("operator", url);
  const from = motor.told.length;
  await until(() => motor.told.slice(from).filter(({ value }) => value === 1).length > 20);
  const sentMs = now();
  child.kill(signal);
  await until(() => motor.told.some(({ atMs, stop }) => atMs > sentMs && stop));
  const stopped = motor.told.find(({ atMs, stop }) => atMs > sentMs && stop);
  await end(child);
  return (stopped?.atMs ?? Infinity) - sentMs;
}

/** Five seconds of 100 Hz, counted at both ends: ticks that the guard left out, and setpoints that the motor did not hear. */
async function watchCadence(): Promise<void> {
  const before = await missedTicks(url);
  const fromMs = now();
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const { missed, lost, longestMs } = cadence(motor, fromMs);
  const leftOut = (await missedTicks(url)) - before;
  console.log(
    `500 ticks: the guard left out ${leftOut}; at the motor ${missed} periods without a setpoint, ${lost} lost on the way, longest gap ${longestMs.toFixed(0)} ms`,
  );
}

function text(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => sorted[Math.ceil(share * sorted.length) - 1].toFixed(1).padStart(6);
  return `p50 ${at(0.5)} ms   most ${at(1)} ms   of ${times.length}`;
}

console.log(`the onboard computer's main thread is blocked 40 of every 150 ms; priority raised: ${raised}`);
for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  const times: number[] = [];
  for (let i = 0; i < Number(values.trials); i++) times.push(await trial(signal));
  console.log(`${signal} to zero at the motor   ${text(times)}`);
}
const { child } = await start("operator", url);
const from = motor.told.length;
await until(() => motor.told.length > from + 100);
for (let i = 0; i < Number(values.windows); i++) await watchCadence();
await Promise.all([child, onboard.child].map(end));
await motor.close();
