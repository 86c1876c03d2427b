/** @file The yardstick: CartPole as a hand-written loop, same physics, generator and next-step resets, and nothing else. */

import { Rng } from "../../src/core/rng.ts";

/** One hand-written environment. */
class PlainCartPole {
  x = 0;
  xDot = 0;
  theta = 0;
  thetaDot = 0;
  done = false;
  readonly rng: Rng;

  constructor(seed: number) {
    this.rng = Rng.fromSeed(seed);
    this.reset();
  }

  reset(): void {
    this.x = this.rng.uniform(-0.05, 0.05);
    this.xDot = this.rng.uniform(-0.05, 0.05);
    this.theta = this.rng.uniform(-0.05, 0.05);
    this.thetaDot = this.rng.uniform(-0.05, 0.05);
    this.done = false;
  }

  step(action: number): void {
    const force = action === 1 ? 10 : -10;
    const cos = Math.cos(this.theta);
    const sin = Math.sin(this.theta);
    const temp = (force + 0.05 * this.thetaDot * this.thetaDot * sin) / 1.1;
    const thetaAcc = (9.8 * sin - cos * temp) / (0.5 * (4 / 3 - (0.1 * cos * cos) / 1.1));
    const xAcc = temp - (0.05 * thetaAcc * cos) / 1.1;
    this.x += 0.02 * this.xDot;
    this.xDot += 0.02 * xAcc;
    this.theta += 0.02 * this.thetaDot;
    this.thetaDot += 0.02 * thetaAcc;
    this.done = Math.abs(this.x) > 2.4 || Math.abs(this.theta) > 0.20943951023931953;
  }
}

/** A loop over `numEnvs` plain environments; gives back a function that takes one step with `actions`. */
export function makePlainLoop(numEnvs: number): (actions: Int32Array) => void {
  const envs = Array.from({ length: numEnvs }, (_, i) => new PlainCartPole(i));
  const observations = new Float32Array(4 * numEnvs);
  const rewards = new Float64Array(numEnvs);
  const terminations = new Uint8Array(numEnvs);
  return (actions) => {
    for (let i = 0; i < numEnvs; i++) {
      const env = envs[i];
      if (env.done) env.reset();
      else env.step(actions[i]);
      rewards[i] = 1;
      terminations[i] = env.done ? 1 : 0;
      observations[4 * i] = env.x;
      observations[4 * i + 1] = env.xDot;
      observations[4 * i + 2] = env.theta;
      observations[4 * i + 3] = env.thetaDot;
    }
  };
}
