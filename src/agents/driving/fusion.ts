/** @file One estimate of where the car is from several sensors: a Kalman filter that lives on when some of them fall silent. */

/** Quantities of the estimate. */
export const drivingQuantities = ["lateralErrorM", "headingErrorRad", "speedMps"] as const;
export type DrivingQuantity = (typeof drivingQuantities)[number];

/** What a sensor says, in SI units; what it does not measure, or cannot now, is absent or not finite. */
export type Reading = Readonly<Partial<Record<DrivingQuantity, number>>>;

/** Settings of `makeFusion`. */
export interface FusionOptions {
  readonly stepSeconds: number;
  /** Standard deviation of each sensor's errors. */
  readonly sensors: Readonly<Record<string, Reading>>;
  /** How far each quantity may wander from the prediction in one second. */
  readonly wander: Readonly<Record<DrivingQuantity, number>>;
  /** A reading further off than so many standard deviations counts as a fault; default 5. */
  readonly gate?: number;
  /** A quantity that no sensor has measured for so long is not to be trusted; default 1 s. */
  readonly patienceSeconds?: number;
}

/** The estimate after a step. */
export interface FusedState extends Readonly<Record<DrivingQuantity, number>> {
  /** Standard deviation that the filter believes. */
  readonly std: Readonly<Record<DrivingQuantity, number>>;
  /** Quantities that no sensor has measured for longer than the patience. */
  readonly blind: readonly DrivingQuantity[];
  /** Sensors with a reading beyond the gate in this step. */
  readonly rejected: readonly string[];
}

/** A filter with its state. */
export interface Fusion {
  /**
   * Advance by one step and take in the sensors' readings. `yawRateRadps` is relative to the lane's, `accelMps2` the
   * car's own: both from the last action or an inertial sensor, 0 where unknown.
   */
  step(
    readings: Readonly<Record<string, Reading | undefined>>,
    motion?: { readonly yawRateRadps?: number; readonly accelMps2?: number },
  ): FusedState;
}

const [lateral, heading, speed] = [0, 1, 2];
// Before the first reading nothing is known.
const unknownStd = 100;

class Filter implements Fusion {
  readonly #options: FusionOptions;
  readonly #x = [0, 0, 0];
  readonly #p = [0, 1, 2].map((i) => [0, 1, 2].map((j) => (i === j ? unknownStd ** 2 : 0)));
  readonly #silentSeconds = [Infinity, Infinity, Infinity];

  constructor(options: FusionOptions) {
    this.#options = options;
  }

  step(
    readings: Readonly<Record<string, Reading | undefined>>,
    motion: { readonly yawRateRadps?: number; readonly accelMps2?: number } = {},
  ): FusedState {
    this.#predict(motion.yawRateRadps ?? 0, motion.accelMps2 ?? 0);
    const rejected = Object.keys(this.#options.sensors).filter((name) => !this.#take(name, readings[name]));
    return this.#state(rejected);
  }

  #predict(yawRateRadps: number, accelMps2: number): void {
    const { stepSeconds: dt, wander } = this.#options;
    const [x, p] = [this.#x, this.#p];
    const drift = [dt * x[speed] * Math.cos(x[heading]), dt * Math.sin(x[heading])];
    x[lateral] += dt * x[speed] * Math.sin(x[heading] + (yawRateRadps * dt) / 2);
    x[heading] += dt * yawRateRadps;
    x[speed] = Math.max(0, x[speed] + dt * accelMps2);
    // P becomes F·P·Fᵀ + Q with F the identity but for the first row.
    const first = [0, 1, 2].map((j) => p[0][j] + drift[0] * p[1][j] + drift[1] * p[2][j]);
    const corner = first[0] + drift[0] * first[1] + drift[1] * first[2];
    p[0] = [corner, first[1], first[2]];
    [p[1][0], p[2][0]] = [first[1], first[2]];
    drivingQuantities.forEach((name, i) => {
      p[i][i] += wander[name] ** 2 * dt;
      this.#silentSeconds[i] += dt;
    });
  }

  /** False when some of it is beyond the gate. */
  #take(name: string, reading: Reading | undefined): boolean {
    const { sensors, gate = 5, patienceSeconds = 1 } = this.#options;
    let sound = true;
    drivingQuantities.forEach((quantity, i) => {
      const [value, std] = [reading?.[quantity], sensors[name][quantity]];
      if (value === undefined || std === undefined || !Number.isFinite(value)) return;
      const spread = this.#p[i][i] + std ** 2;
      // After a long silence the filter, not the sensor, is likelier to be wrong.
      const trusted = this.#silentSeconds[i] <= patienceSeconds;
      if (trusted && (value - this.#x[i]) ** 2 > gate ** 2 * spread) sound = false;
      else this.#update(i, value, spread);
    });
    return sound;
  }

  #update(i: number, value: number, spread: number): void {
    const [x, p] = [this.#x, this.#p];
    const gain = p.map((row) => row[i] / spread);
    const surprise = value - x[i];
    const measured = [...p[i]];
    for (let a = 0; a < 3; a++) {
      x[a] += gain[a] * surprise;
      for (let b = 0; b < 3; b++) p[a][b] -= gain[a] * measured[b];
    }
    this.#silentSeconds[i] = 0;
  }

  #state(rejected: readonly string[]): FusedState {
    const { patienceSeconds = 1 } = this.#options;
    const named = (values: readonly number[]): Record<DrivingQuantity, number> => ({
      lateralErrorM: values[lateral],
      headingErrorRad: values[heading],
      speedMps: values[speed],
    });
    return {
      ...named(this.#x),
      std: named(this.#p.map((row, i) => Math.sqrt(row[i]))),
      blind: drivingQuantities.filter((_, i) => this.#silentSeconds[i] > patienceSeconds),
      rejected,
    };
  }
}

/** A filter that knows nothing yet. */
export function makeFusion(options: FusionOptions): Fusion {
  return new Filter(options);
}
