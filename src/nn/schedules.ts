/** @file Learning-rate schedules: pure functions of the step. */

/** Linear warm-up, then constant, then linear decay to zero over the last `decayFraction` of the steps. */
export interface ScheduleConfig {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  readonly decayFraction: number;
}

/** Learning rate at `step` (0-based). */
export function learningRateAt(config: ScheduleConfig, step: number): number {
  const warmup = Math.min(1, (step + 1) / Math.max(1, config.warmupSteps));
  const decaySteps = Math.max(1, config.totalSteps * config.decayFraction);
  const left = Math.max(0, (config.totalSteps - step) / decaySteps);
  return config.peak * warmup * Math.min(1, left);
}
