/** @file What can be set in every experiment that learns in an imagined world, with its default and meaning. */

import { z } from "zod";
import { runFields, section } from "../config/config-schema.ts";

const positive = (value: number) => z.number().positive().default(value);
const count = (value: number) => z.int().min(1).default(value);
const fraction = (value: number) => z.number().min(0).max(1).default(value);

/** Fields of `collect` that every task has; a task's own come beside them. */
export const collectFields = {
  from: z
    .string()
    .optional()
    .describe(
      "Folder of episodes or of a LeRobotDataset to take instead of recording: training steps up to `frames`, and validation episodes",
    ),
  frames: z
    .int()
    .min(200)
    .default(40_800)
    .describe("Real steps recorded by the behaviour policy on training worlds or goals"),
  numEnvs: count(32).describe("Simulators stepped together while collecting"),
  stressFraction: fraction(0.3).describe(
    "Share of the frames from short episodes of the worst drivers: where failures come from",
  ),
  stressSteps: count(50).describe("Length of those episodes at most"),
  validationEpisodes: count(32).describe(
    "Behaviour episodes on validation worlds or goals, for the model's metrics alone",
  ),
};

const tokenizer = section({
  patch: z
    .int()
    .min(4)
    .default(16)
    .describe("Pixels per side of a patch; 64 / patch squared is the number of tokens"),
  dim: count(128).describe("Width of the transformer"),
  heads: count(4).describe("Attention heads"),
  encoderBlocks: count(1).describe("Transformer blocks of the encoder"),
  decoderBlocks: count(2).describe("Transformer blocks of the decoder"),
  channels: count(16).describe("Latent numbers per token"),
  latentNoise: z.number().min(0).default(0.2).describe("Deviation of the noise on latents in training"),
  rarityWeight: z
    .number()
    .min(0)
    .default(0)
    .describe("Extra loss per unit distance from the mean frame: keeps small rare things"),
  batchSize: count(32).describe("Frames per step"),
  steps: count(700).describe("Training steps"),
  learningRate: positive(0.005).describe("Peak learning rate (Muon)"),
  averageDecay: fraction(0.98).describe("Decay of the weights' moving average; 0 turns it off"),
});

const phase = z.strictObject({
  steps: count(500).describe("Steps per ensemble member"),
  horizon: count(1).describe("Imagined steps that the loss runs through"),
  batchSize: count(64).describe("Windows per step"),
  learningRate: positive(0.004).describe("Peak learning rate (Muon)"),
  terminalFraction: fraction(0.15).describe("Share of windows that contain an end (a crash, a success)"),
});

const worldmodel = section({
  form: z
    .enum(["deterministic", "flow"])
    .default("deterministic")
    .describe("One-pass prediction, or rectified flow"),
  samplingSteps: count(2).describe("Euler steps per imagined frame of the flow form"),
  contextLength: z.int().min(2).default(3).describe("Past frames that the model sees"),
  dim: count(128).describe("Width of the transformer"),
  heads: count(4).describe("Attention heads"),
  blocks: count(3).describe("Transformer blocks"),
  members: count(2).describe("Ensemble members, trained apart; their disagreement is the uncertainty"),
  termination: z
    .enum(["mean", "max"])
    .default("mean")
    .describe("How members' probabilities of an end are joined"),
  contextNoise: z
    .number()
    .min(0)
    .default(0.17)
    .describe("Largest deviation of the noise on context latents in training"),
  averageDecay: fraction(0.97).describe("Decay of the weights' moving average"),
  phases: z
    .array(phase)
    .min(1)
    .default([
      { steps: 400, horizon: 1, batchSize: 64, learningRate: 0.004, terminalFraction: 0.15 },
      { steps: 220, horizon: 5, batchSize: 32, learningRate: 0.002, terminalFraction: 0.3 },
    ])
    .describe("Training phases, in order: one-step first, then unrolled"),
  weights: section({
    latent: positive(1).describe("Weight of the latent error"),
    state: positive(0.5).describe("Weight of the state error"),
    reward: positive(0.5).describe("Weight of the reward error"),
    termination: positive(1).describe("Weight of the termination cross-entropy"),
  }).describe("Weights of the loss terms"),
});

const policy = section({
  hidden: z.array(z.int().min(1)).default([512, 256]).describe("Hidden layers of actor and critic"),
  initialLogStd: z.number().default(-1).describe("Log deviation of the untrained policy, before squashing"),
  valueScale: positive(15).describe("Unit of the critic's output: about the size of discounted returns"),
});

const ppo = {
  discount: fraction(0.98).describe("Discount per step"),
  gaeLambda: fraction(0.95).describe("Decay of advantages"),
  clip: positive(0.2).describe("Clip of the probability ratio"),
  epochs: count(4).describe("Passes over a batch"),
  criticEpochs: count(4).describe("Passes of the critic over a batch"),
  criticRate: positive(2).describe("The critic's learning rate relative to the actor's"),
  minibatches: count(4).describe("Gradient steps per pass"),
  entropyCoefficient: z.number().min(0).default(0.003).describe("Weight of the entropy bonus"),
  clipNorm: positive(1).describe("Largest gradient norm"),
  klLimit: positive(0.03).describe("A batch's passes stop when the policy has moved this far"),
};

const cloning = section({
  steps: count(600).describe("Training steps of each clone"),
  batchSize: count(256).describe("Frames per step"),
  learningRate: positive(0.001).describe("Peak learning rate"),
  weightDecay: z.number().min(0).default(0.01).describe("AdamW's weight decay"),
  topFraction: fraction(0.2).describe(
    "Filtered cloning imitates this share of the episodes, best returns first",
  ),
});

const imagination = section({
  iterations: count(12).describe("Batches of imagined rollouts before any Dyna round"),
  numEnvs: count(128).describe("Dreams stepped together"),
  horizon: count(15).describe("Imagined steps per rollout; the learner bootstraps there"),
  learningRate: positive(0.0005).describe("Peak learning rate"),
  warmStart: z
    .enum(["none", "cloning", "filtered"])
    .default("filtered")
    .describe("Policy that imagination starts from"),
  stressStarts: z.boolean().default(false).describe("May dreams begin in the episodes of the worst drivers?"),
  criticWarmup: z.int().min(0).default(6).describe("First iterations that move the critic alone"),
  anchorCoefficient: z
    .number()
    .min(0)
    .default(0)
    .describe("Pull of the mean action towards the filtered clone's"),
  anchorRounds: z
    .int()
    .min(0)
    .default(0)
    .describe("Dyna rounds over which that pull falls to nothing; 0: it stays"),
  terminationReward: z
    .number()
    .default(-10)
    .describe("Added per imagined end to the model's own reward (negative: pessimism about crashes)"),
  uncertaintyPenalty: z
    .number()
    .min(0)
    .default(0)
    .describe("Reward lost per unit of the ensemble's disagreement"),
  validationEvery: count(4).describe("Iterations between judgements on validation worlds or goals"),
  validationEpisodes: count(20).describe("Episodes per judgement"),
  rounds: z.int().min(0).default(12).describe("Dyna rounds after the offline phase"),
  roundFrames: count(1600).describe("Real steps that the policy records per round"),
  roundModelSteps: count(20).describe("Model steps per member and round, at the last phase's horizon"),
  roundIterations: count(20).describe("Policy iterations per round"),
  recentRounds: count(3).describe("Rounds that count as recent"),
  recentFraction: fraction(0.8).describe("Share of start states from recent rounds' episodes"),
  recordedRows: z
    .int()
    .min(0)
    .default(0)
    .describe(
      "Recorded states of recent rounds in every batch of the critic, with the returns that really followed",
    ),
  recordedDreamed: fraction(0).describe(
    "Share of those states as the model dreams them, up to `horizon` steps under the real actions: corrects the critic at the end of dreams",
  ),
  modelRecentFraction: fraction(0.5).describe("Share of the model's windows from recent rounds' episodes"),
  ...ppo,
});

const modelFree = section({
  multiples: z
    .array(positive(1))
    .default([1, 2, 4])
    .describe("Judged at these multiples of the frames imagination used"),
  numEnvs: count(32).describe("Simulators stepped together"),
  rolloutSteps: count(60).describe("Steps per rollout and simulator"),
  learningRate: positive(0.0005).describe("Peak learning rate"),
  ...ppo,
});

interface PlanLengths {
  readonly horizon: number;
  readonly replanEvery: number;
}

const withinHorizon = ({ horizon, replanEvery }: PlanLengths): boolean => replanEvery <= horizon;
const beyondHorizon = {
  path: ["replanEvery"],
  message: "at most the horizon: a plan cannot be followed beyond its end",
};

const planner = section({
  enabled: z.boolean().default(true).describe("Judge the planner too (the slowest row of the table)"),
  horizon: count(4).describe("Imagined steps of a plan"),
  samples: z.int().min(2).default(10).describe("Action sequences per plan"),
  policySamples: count(5).describe("How many of them follow the policy"),
  iterations: count(1).describe("Refinements of a plan"),
  temperature: positive(0.5).describe("Temperature of the weights, in units of return"),
  initialStd: positive(0.4).describe("Deviation of sampled actions at first"),
  minStd: positive(0.05).describe("Deviation of sampled actions at least"),
  replanEvery: count(4).describe("Steps executed per plan"),
  discount: fraction(0.98).describe("Discount per step"),
  uncertaintyPenalty: z
    .number()
    .min(0)
    .default(0)
    .describe("Score lost per unit of the ensemble's disagreement"),
  terminationReward: z.number().default(-10).describe("Added per imagined end"),
  episodes: z.int().min(2).default(20).describe("Episodes of the planner per split: it is slow"),
}).refine(withinHorizon, beyondHorizon);

/** `goalPlanner`, for tasks whose goals have a picture. */
export const goalPlanner = section({
  enabled: z
    .boolean()
    .default(false)
    .describe("Judge a planner that knows nothing but a picture of the goal"),
  horizon: count(5).describe("Imagined steps of a plan"),
  samples: z.int().min(2).default(32).describe("Action sequences per plan"),
  iterations: count(2).describe("Refinements of a plan"),
  elites: count(6).describe("Sequences that a refinement keeps"),
  temperature: positive(1).describe(
    "Temperature of their weights, in squared deviations of a latent's numbers",
  ),
  initialStd: positive(0.7).describe("Deviation of sampled actions at first"),
  minStd: positive(0.05).describe("Deviation of sampled actions at least"),
  replanEvery: count(2).describe("Steps executed per plan"),
  growth: positive(1).describe(
    "Weight of a step's distance to the goal relative to the step before it: 1 wants to be there soon",
  ),
  episodes: z.int().min(2).default(40).describe("Episodes of this planner per split: it is slow"),
})
  .refine(withinHorizon, beyondHorizon)
  .describe("CEM in the latent, towards a picture of the goal: no reward, no policy");

const judge = section({
  episodes: z.int().min(2).default(40).describe("Episodes per policy on unseen test worlds or goals"),
  trainEpisodes: z.int().min(2).default(20).describe("Episodes per policy on training worlds or goals"),
});

/** Fields of a config that every task has; `env` and `collect` are the task's own. */
export const loopFields = {
  seeds: count(1).describe("Independent repetitions: data, tokenizer, model and policy are all made anew"),
  tokenizer: tokenizer.describe("Frames to latents"),
  worldmodel: worldmodel.describe("The latent dynamics"),
  policy: policy.describe("Actor and critic"),
  cloning: cloning.describe("Behaviour cloning, plain and filtered"),
  imagination: imagination.describe("PPO inside the world model"),
  modelFree: modelFree.describe("PPO in the simulator, on the same frozen tokenizer"),
  planner: planner.describe("MPPI in the latent"),
  judge: judge.describe("The final table"),
};

const common = z.strictObject({ ...runFields, ...loopFields, collect: section(collectFields) });

/** What the loop's stages read of an experiment's config. */
export type LoopConfig = z.infer<typeof common> & {
  readonly env: string;
  readonly goalPlanner?: z.infer<typeof goalPlanner>;
};
