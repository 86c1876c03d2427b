/** @file What a robot may be told: its command channels with their limits, and the rules of the dead-man. */

import { z } from "zod";

import { fail } from "../../core/errors.ts";

const finite = z.number().refine(Number.isFinite, "must be finite");
const positive = finite.refine((value) => value > 0, "must be above 0");
const range = z
  .tuple([finite, finite])
  .refine(([low, high]) => low <= high, "the low end must not be above the high end");

/** Schema of one command channel: one number of the action vector. */
export const channelSchema = z
  .strictObject({
    name: z.string().min(1).describe("name of this number; compared, with its order, in the handshake"),
    unit: z.string().default("").describe("unit of the commanded number"),
    kind: z
      .enum(["position", "velocity", "effort"])
      .describe("what the number commands; decides what each limit bounds"),
    position: range.optional().describe("bounds of the position; for a velocity channel of the measured one"),
    velocity: z
      .union([positive, range])
      .optional()
      .describe("bound of the velocity, per second; one number means both directions"),
    acceleration: positive.optional().describe("bound of the acceleration, per second squared"),
    effort: z.union([positive, range]).optional().describe("bound of an effort channel's command"),
    step: positive.optional().describe("largest change between two commands sent to the motor"),
    onStop: z.enum(["zero", "hold", "home"]).optional().describe("what a safe stop does to this channel"),
    neutral: finite.default(0).describe("the number that 'zero' sends; a car's full brake, say"),
    home: finite.optional().describe("where 'home' goes, and where an unmeasured position starts"),
  })
  .superRefine((channel, context) => {
    const problems = [...missingLimits(channel), ...wrongStops(channel), ...outside(channel)];
    for (const problem of problems) context.addIssue({ code: "custom", message: problem });
  });

/** A limit: both directions alike, or [low, high]. */
export type Bound = number | readonly [number, number] | undefined;

interface RawChannel {
  readonly kind: "position" | "velocity" | "effort";
  readonly position?: Bound;
  readonly velocity?: Bound;
  readonly effort?: Bound;
  readonly acceleration?: number;
  readonly onStop?: string;
  readonly neutral: number;
  readonly home?: number;
}

function missingLimits(channel: RawChannel): string[] {
  const problems: string[] = [];
  const { kind } = channel;
  if (kind === "position" && (channel.position === undefined || channel.velocity === undefined)) {
    problems.push("a position channel needs the limits position and velocity");
  }
  if (kind === "velocity" && channel.velocity === undefined)
    problems.push("a velocity channel needs the limit velocity");
  if (kind === "effort" && channel.effort === undefined)
    problems.push("an effort channel needs the limit effort");
  if (kind === "velocity" && channel.position !== undefined && channel.acceleration === undefined) {
    problems.push(
      "position limits of a velocity channel need the limit acceleration (how hard it may brake)",
    );
  }
  return problems;
}

function wrongStops({ kind, onStop, home }: RawChannel): string[] {
  const problems: string[] = [];
  if (onStop === "hold" && kind === "velocity") {
    problems.push("a velocity channel cannot hold: a held velocity is motion; use zero");
  }
  if (onStop === "zero" && kind === "position") {
    problems.push("a position channel cannot stop by zero: position 0 is a place; use hold or home");
  }
  if (onStop === "home" && (kind !== "position" || home === undefined)) {
    problems.push("home is for position channels that name a home position");
  }
  return problems;
}

function outside(channel: RawChannel): string[] {
  const problems: string[] = [];
  const excludes = ([low, high]: readonly [number, number], value: number) => value < low || value > high;
  const { kind, neutral, home } = channel;
  if (kind !== "position" && excludes(boundsOf(channel), neutral))
    problems.push("neutral lies outside the limits");
  if (kind === "position" && home !== undefined && excludes(boundsOf(channel), home)) {
    problems.push("home lies outside the limits");
  }
  if (kind === "position" && Array.isArray(channel.velocity) && excludes(pairOf(channel.velocity), 0)) {
    problems.push("the velocity limit of a position channel must allow standing still");
  }
  return problems;
}

/** A limit as [low, high]; an absent one allows nothing. */
export function pairOf(bound: Bound): readonly [number, number] {
  return typeof bound === "number" ? [-bound, bound] : (bound ?? [0, 0]);
}

/** Schema of a robot's safety settings; every field but `channels` has a default for a velocity robot. */
export const safetySchema = z.strictObject({
  channels: z.array(channelSchema).min(1),
  rateHz: positive.default(100).describe("rate at which setpoints go to the motor"),
  gapMs: positive
    .default(1)
    .describe(
      "shortest time between two setpoints: a new action does not wait for the next tick, but a flood does",
    ),
  leaseMs: positive.default(150).describe("silence of the operator after which the robot stops"),
  heartbeatMs: positive.default(50).describe("how often an operator is asked to be heard"),
  maxActionAgeMs: positive.default(1000).describe("oldest observation that an action may answer"),
  maxChunkMs: positive.default(2000).describe("longest time that one chunk of actions may cover"),
  holdMs: positive.default(150).describe("how long the last action outlives its own duration"),
  feedbackTimeoutMs: positive.default(300).describe("oldest measured position that a limit may rely on"),
  onLate: z.enum(["stop", "drop"]).default("stop").describe("what a late or out-of-order action causes"),
  rampedStop: z.boolean().default(false).describe("stop within the acceleration limits instead of at once"),
  stopRepeatMs: positive
    .default(500)
    .describe("how long a stop is repeated to a motor that cannot acknowledge"),
  requireStamp: z
    .boolean()
    .default(true)
    .describe("refuse actions that do not say which observation they answer"),
});

/** One command channel, checked. */
export type Channel = z.infer<typeof channelSchema>;

/** A robot's safety settings, checked. */
export type SafetyConfig = z.infer<typeof safetySchema>;

/** A robot's safety settings as written by a person. */
export type SafetyInput = z.input<typeof safetySchema>;

/** Check settings. @throws INVALID_CONFIG naming each wrong field. */
export function parseSafety(input: unknown): SafetyConfig {
  const result = safetySchema.safeParse(input);
  if (!result.success) {
    const problems = result.error.issues.map(
      (issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`,
    );
    fail({
      code: "INVALID_CONFIG",
      what: "the safety settings are wrong",
      got: problems.join("; "),
      fix: "see docs/safety.md",
    });
  }
  const names = result.data.channels.map((channel) => channel.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    fail({
      code: "INVALID_CONFIG",
      what: `two channels are named "${twice}"`,
      fix: "give each channel its own name",
    });
  }
  return result.data;
}

/** Lowest and highest number that a channel may be sent. */
export function boundsOf(
  channel: Pick<RawChannel, "kind" | "position" | "velocity" | "effort">,
): readonly [number, number] {
  return pairOf(channel[channel.kind]);
}

/** What a safe stop does to a channel. */
export function stopModeOf(channel: Channel): "zero" | "hold" | "home" {
  return channel.onStop ?? (channel.kind === "position" ? "hold" : "zero");
}

/** Compare an operator's idea of the action vector with the robot's. @throws PROTOCOL when names or order differ. */
export function checkNames(config: SafetyConfig, names: readonly string[]): void {
  const own = config.channels.map((channel) => channel.name);
  if (own.length === names.length && own.every((name, i) => name === names[i])) return;
  fail({
    code: "PROTOCOL",
    what: "the operator's action vector is not this robot's",
    expected: `[${own.join(", ")}]`,
    got: `[${names.join(", ")}]`,
    fix: "send the same names in the same order; an action meant for another robot is never executed",
  });
}
