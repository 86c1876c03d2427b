/** @file The ego car: a kinematic bicycle with a steering lag and a soft tyre limit, 10 Hz, SI units. */

/** Pose and motion of a car. x points east, y north, yaw counter-clockwise from x; positive steering turns left. */
export interface CarState {
  xM: number;
  yM: number;
  yawRad: number;
  speedMps: number;
  steeringRad: number;
  yawRateRadps: number;
}

/** What a car can do. */
export interface CarSpec {
  readonly wheelbaseM: number;
  /** Steering angle at action 1. */
  readonly maxSteeringRad: number;
  /** Share of the remaining steering error that one step closes, in (0, 1]. */
  readonly steeringLag: number;
  readonly maxSpeedMps: number;
  /** Acceleration at action +1 (drive) and -1 (brake), both positive. */
  readonly driveMps2: number;
  readonly brakeMps2: number;
  /** Lateral acceleration that the tyres approach and never pass; Infinity for none. */
  readonly lateralLimitMps2: number;
  readonly lengthM: number;
  readonly widthM: number;
}

/** Seconds of one environment step: 10 Hz. */
export const stepSeconds = 0.1;

/** A car standing at the origin. */
export function makeCar(): CarState {
  return { xM: 0, yM: 0, yawRad: 0, speedMps: 0, steeringRad: 0, yawRateRadps: 0 };
}

/** Yaw rate (rad/s) of a bicycle at the given speed and steering angle, softly limited by the tyres. */
export function yawRateOf(spec: CarSpec, speedMps: number, steeringRad: number): number {
  const free = (speedMps * Math.tan(steeringRad)) / spec.wheelbaseM;
  const limit = spec.lateralLimitMps2;
  if (limit === Infinity || speedMps < 1e-6) return free;
  return (limit * Math.tanh((speedMps * free) / limit)) / speedMps;
}

/**
 * Advance a car by `seconds`, in place. `steer` and `accel` are actions in [-1, 1]. Within the step the speed changes
 * linearly and the path is an exact circular arc, so a held action drives an exact circle.
 */
export function stepCar(car: CarState, spec: CarSpec, steer: number, accel: number): void {
  car.steeringRad += spec.steeringLag * (steer * spec.maxSteeringRad - car.steeringRad);
  moveCar(car, spec, accel, stepSeconds);
}

/** The motion part of a step: integrate speed, yaw and position at the car's present steering angle, in place. */
export function moveCar(car: CarState, spec: CarSpec, accel: number, seconds: number): void {
  const before = car.speedMps;
  const thrust = accel >= 0 ? accel * spec.driveMps2 : accel * spec.brakeMps2;
  const after = Math.min(Math.max(before + thrust * seconds, 0), spec.maxSpeedMps);
  const speed = (before + after) / 2;
  const yawRate = yawRateOf(spec, speed, car.steeringRad);
  const half = (yawRate * seconds) / 2;
  const chord = speed * seconds * (Math.abs(half) < 1e-6 ? 1 : Math.sin(half) / half);
  car.xM += chord * Math.cos(car.yawRad + half);
  car.yM += chord * Math.sin(car.yawRad + half);
  car.yawRad = wrapAngle(car.yawRad + 2 * half);
  car.speedMps = after;
  car.yawRateRadps = yawRate;
}

/** An angle brought into (-pi, pi]. */
export function wrapAngle(angleRad: number): number {
  const turn = 2 * Math.PI;
  const wrapped = angleRad - turn * Math.floor((angleRad + Math.PI) / turn);
  return wrapped === -Math.PI ? Math.PI : wrapped;
}
