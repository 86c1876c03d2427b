/** @file A checker between a driving policy and the car: an action is let through only if the car can still be saved after it. */

/** What the car can do, and what must never happen. */
export interface SafetyLimits {
  readonly stepSeconds: number;
  readonly wheelbaseM: number;
  /** Steering angle at action 1. */
  readonly maxSteeringRad: number;
  /** Share of the remaining steering error that one step closes, in (0, 1]. */
  readonly steeringLag: number;
  /** Acceleration at action 1 and at action -1, both positive. */
  readonly driveMps2: number;
  readonly brakeMps2: number;
  /** The car's centre stays within this distance of the lane's. */
  readonly maxLateralM: number;
  /** Largest speed · yaw rate. */
  readonly maxLateralMps2: number;
  /** The hardest that the car ahead may brake. */
  readonly leaderBrakeMps2: number;
  /** Kept between bumpers whatever happens. */
  readonly minGapM: number;
  /** Speed to the car ahead is taken back before contact is nearer than this; 0 leaves it to the braking distance. */
  readonly minTimeToCollisionS: number;
}

/** Where the car is; a fused estimate or the simulator's truth. */
export interface DrivingSituation {
  readonly speedMps: number;
  readonly steeringRad: number;
  /** From the lane's centre, positive to the left. */
  readonly lateralErrorM: number;
  readonly headingErrorRad: number;
  /** Of the lane, positive to the left; 0 unless given. */
  readonly curvaturePerM?: number;
  /** From bumper to bumper; none ahead unless given. */
  readonly gapM?: number;
  readonly leaderSpeedMps?: number;
}

/** An action as policies give it, both numbers in [-1, 1]. */
export interface DrivingAction {
  readonly steer: number;
  readonly accel: number;
}

/** Why an action was not let through. */
export type SafetyReason = "time to collision" | "lane" | "acceleration";

/** What goes to the car. */
export interface SafetyVerdict {
  readonly action: DrivingAction;
  /** Empty when the policy's own action went through. */
  readonly reasons: readonly SafetyReason[];
}

interface Motion {
  speedMps: number;
  steeringRad: number;
  lateralErrorM: number;
  headingErrorRad: number;
  /** Largest on the way here. */
  lateralMps2: number;
}

const clip = (value: number, bound = 1): number => Math.min(bound, Math.max(-bound, value));

const lateralOf = ({ wheelbaseM }: SafetyLimits, speedMps: number, steeringRad: number): number =>
  Math.abs((speedMps ** 2 * Math.tan(steeringRad)) / wheelbaseM);

function motionOf(limits: SafetyLimits, situation: DrivingSituation): Motion {
  const { speedMps, steeringRad, lateralErrorM, headingErrorRad } = situation;
  const lateralMps2 = lateralOf(limits, speedMps, steeringRad);
  return { speedMps, steeringRad, lateralErrorM, headingErrorRad, lateralMps2 };
}

/** The kinematic bicycle in the lane's frame, one step. */
function moved(
  limits: SafetyLimits,
  now: Motion,
  curvature: number,
  { steer, accel }: DrivingAction,
): Motion {
  const { stepSeconds: dt, wheelbaseM, maxSteeringRad, steeringLag, driveMps2, brakeMps2 } = limits;
  const steeringRad = now.steeringRad + steeringLag * (clip(steer) * maxSteeringRad - now.steeringRad);
  const after = Math.max(0, now.speedMps + clip(accel) * (accel >= 0 ? driveMps2 : brakeMps2) * dt);
  const speed = (now.speedMps + after) / 2;
  const half = (speed * Math.tan(steeringRad) * dt) / wheelbaseM / 2;
  const along = speed * dt * (Math.abs(half) < 1e-6 ? 1 : Math.sin(half) / half);
  return {
    speedMps: after,
    steeringRad,
    lateralErrorM: now.lateralErrorM + along * Math.sin(now.headingErrorRad + half),
    headingErrorRad: now.headingErrorRad + 2 * half - curvature * speed * dt,
    lateralMps2: lateralOf(limits, Math.max(now.speedMps, after), steeringRad),
  };
}

/** Largest angle that keeps the lateral acceleration at this speed. */
function steeringBound(
  { wheelbaseM, maxLateralMps2, maxSteeringRad }: SafetyLimits,
  speedMps: number,
): number {
  if (speedMps < 0.1) return maxSteeringRad;
  return Math.min(maxSteeringRad, Math.atan((wheelbaseM * maxLateralMps2) / speedMps ** 2));
}

/** How the car is saved: brake fully and steer back to the middle and along the lane. */
function rescue(limits: SafetyLimits, now: Motion, curvature: number): DrivingAction {
  const { wheelbaseM, maxSteeringRad, stepSeconds } = limits;
  const bound = steeringBound(limits, now.speedMps);
  const wanted = clip(-now.lateralErrorM / Math.max(4, now.speedMps), 0.3) - now.headingErrorRad;
  const yawRate = wanted / (4 * stepSeconds) + curvature * now.speedMps;
  const angle = Math.atan((wheelbaseM * yawRate) / Math.max(1, now.speedMps));
  return { steer: clip(angle, bound) / maxSteeringRad, accel: -1 };
}

/** What a rescue from here would break on its way to standing; undefined for nothing. */
function brokenBy(limits: SafetyLimits, start: Motion, curvature: number): SafetyReason | undefined {
  let now = start;
  for (;;) {
    if (Math.abs(now.lateralErrorM) > limits.maxLateralM) return "lane";
    if (now.lateralMps2 > limits.maxLateralMps2) return "acceleration";
    if (now.speedMps === 0) return undefined;
    now = moved(limits, now, curvature, rescue(limits, now, curvature));
  }
}

/** Metres that the gap shrinks by at most while both brake to standing. */
function gapLost(
  { brakeMps2: own, leaderBrakeMps2: theirs }: SafetyLimits,
  speed: number,
  leader: number,
): number {
  const atTheEnd = speed ** 2 / (2 * own) - leader ** 2 / (2 * theirs);
  const meeting = (speed - leader) / (own - theirs);
  const onTheWay = own > theirs && speed > leader && meeting < leader / theirs;
  return Math.max(0, atTheEnd, onTheWay ? (speed - leader) ** 2 / (2 * (own - theirs)) : 0);
}

/** Could the car ahead no longer be avoided, or is contact too near, after a step that ends at speed `after`? */
function tooClose(limits: SafetyLimits, now: DrivingSituation, after: number): boolean {
  const { gapM = Infinity, leaderSpeedMps = 0, speedMps } = now;
  if (gapM === Infinity) return false;
  const { stepSeconds: dt, leaderBrakeMps2, brakeMps2, minGapM, minTimeToCollisionS } = limits;
  const leader = Math.max(0, leaderSpeedMps - leaderBrakeMps2 * dt);
  const gap = gapM + (dt * (leaderSpeedMps + leader)) / 2 - (dt * (speedMps + after)) / 2;
  // In the step in which the car stops, it goes up to this much further than by the formula.
  const rest = (brakeMps2 * dt ** 2) / 8;
  if (gap - gapLost(limits, after, leader) < minGapM + rest) return true;
  const closing = after - leaderSpeedMps;
  return after >= speedMps && closing > 0 && gap < closing * minTimeToCollisionS;
}

/**
 * Check an action; what comes back is safe to execute.
 *
 * An action goes through when, after it, braking fully and steering back would still keep the lane, the lateral acceleration
 * and the car ahead, even if that one brakes as hard as it may. So the next check always has that way out, and from a
 * situation that has it nothing can go wrong as long as the car moves as `limits` say. A situation without a way out gets
 * the rescue too: it is the best that is left.
 * @source the argument is that of Shalev-Shwartz, Shammah, Shashua 2017, "On a Formal Model of Safe and Scalable Self-driving Cars"
 */
export function checkAction(
  limits: SafetyLimits,
  situation: DrivingSituation,
  action: DrivingAction,
): SafetyVerdict {
  const { curvaturePerM: curvature = 0 } = situation;
  const now = motionOf(limits, situation);
  const wanted = { steer: finite(action.steer), accel: finite(action.accel) };
  const reasons: SafetyReason[] = [];
  const next = moved(limits, now, curvature, wanted);
  const broken = brokenBy(limits, next, curvature);
  if (broken !== undefined) reasons.push(broken);
  if (tooClose(limits, situation, next.speedMps)) reasons.push("time to collision");
  if (reasons.length === 0) return { action: wanted, reasons };
  const braked = { steer: wanted.steer, accel: -1 };
  const steerIsFine = brokenBy(limits, moved(limits, now, curvature, braked), curvature) === undefined;
  return { action: steerIsFine ? braked : rescue(limits, now, curvature), reasons };
}

/** Can everything still be kept from here? Only from such situations is nothing missed. */
export function hasWayOut(limits: SafetyLimits, situation: DrivingSituation): boolean {
  const { curvaturePerM = 0, gapM = Infinity, leaderSpeedMps = 0 } = situation;
  const lost = gapLost(limits, situation.speedMps, leaderSpeedMps);
  const rest = (limits.brakeMps2 * limits.stepSeconds ** 2) / 8;
  if (gapM !== Infinity && gapM - lost < limits.minGapM + rest) return false;
  return brokenBy(limits, motionOf(limits, situation), curvaturePerM) === undefined;
}

// A number that is none would pass every comparison: it counts as "do nothing".
const finite = (value: number): number => (Number.isFinite(value) ? clip(value) : 0);
