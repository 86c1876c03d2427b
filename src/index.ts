/** @file The public API of Reverie; nothing else is importable by users. */

import type { EnvSpec, Kwargs } from "./env/env.ts";
import type { MakeVecOptions } from "./env/registry.ts";
import { registry } from "./env/registry.ts";
import type { Make, MakeAsync, MakeVec } from "./env/types.ts";
import type { BuiltinEnvs } from "./sim/envs.ts";
import { builtinEnvs } from "./sim/envs.ts";

export { ReverieError } from "./core/errors.ts";
export type { ErrorCode } from "./core/errors.ts";
export { float32, ndarray, scalar, zeros } from "./core/ndarray.ts";
export type { DType, NdArray, Storage } from "./core/ndarray.ts";
export { Rng } from "./core/rng.ts";
export type { RngState } from "./core/rng.ts";
export { spaces } from "./core/spaces/spaces.ts";
export type { Space } from "./core/spaces/space.ts";

export { withAutoreset } from "./env/autoreset.ts";
export type { AutoresetVectorEnv } from "./env/autoreset.ts";
export { checkEnv } from "./env/check-env.ts";
export { checkVectorEnv } from "./env/check.ts";
export type {
  AutoresetMode,
  Env,
  EnvMetadata,
  EnvSpec,
  Frame,
  Info,
  InfoBatch,
  ObservationBatch,
  ResetBatch,
  Snapshot,
  StepBatch,
  StepResult,
  VectorEnv,
  VectorResetOptions,
} from "./env/env.ts";
export { infoAt, infosToList } from "./env/infos.ts";
export { Registry, registry } from "./env/registry.ts";
export type { MakeVecOptions } from "./env/registry.ts";
export { specFromJson, specToJson } from "./env/spec-json.ts";
export type { Batched, EnvOf, VectorOf } from "./env/types.ts";
export { PartialVectorEnv } from "./env/vector/partial.ts";
export { SyncVectorEnv } from "./env/vector/sync.ts";
export { wrappers } from "./env/wrappers/wrappers.ts";
export type { EpisodeLog } from "./env/wrappers/episode-log.ts";

export { openDashboard } from "./dashboard/server.ts";
export type { Dashboard, DashboardOptions } from "./dashboard/server.ts";
export { compareFolders } from "./experiment/compare/comparing.ts";
export type { ComparingOptions } from "./experiment/compare/comparing.ts";
export type { Comparison } from "./experiment/compare/compare.ts";
export { exportPolicy } from "./experiment/loop/export-policy.ts";
export type { ExportedInput } from "./experiment/loop/export-policy.ts";
export { loadConfig } from "./experiment/config/config.ts";
export { configJsonSchema, describeConfig, runFields, section } from "./experiment/config/config-schema.ts";
export type { ConfigField, RunFields } from "./experiment/config/config-schema.ts";
export type { EvaluateOptions, Experiment, Experiments } from "./experiment/experiment.ts";
export { openMetrics, readMetrics } from "./experiment/records/metrics.ts";
export type { MetricLine, Metrics } from "./experiment/records/metrics.ts";
export { play } from "./experiment/play/play.ts";
export type { PlayStep, PlayTerminal, PlayWorld } from "./experiment/play/play.ts";
export { makePlayWorld } from "./experiment/play/play-world.ts";
export type { PlayableEnv, PlayWorldOptions } from "./experiment/play/play-world.ts";
export { writeReport } from "./experiment/report/report.ts";
export { correlationOf } from "./experiment/policy-returns.ts";
export type { Correlation, PolicyReturns, ReturnsOptions } from "./experiment/policy-returns.ts";
export { reproduceRun } from "./experiment/reproduce.ts";
export type { ReproduceOptions, Reproduction } from "./experiment/reproduce.ts";
export { createRunDir, openRunDir } from "./experiment/records/run-dir.ts";
export type { RunDir, RunState, StageRecord } from "./experiment/records/run-dir.ts";
export { evaluateRun, playRun, resumeExperiment, runExperiment } from "./experiment/runner.ts";
export type { RunOptions, RunResult } from "./experiment/runner.ts";
export type { ScoreSet } from "./experiment/scores.ts";
export type { Delivery, Hub, Objects, Queue, QueueOptions, Records } from "./experiment/machines/hub.ts";
export type { Identity } from "./experiment/machines/identity.ts";
export { makeMemoryHub } from "./experiment/machines/memory-hub.ts";
export { openHub } from "./experiment/machines/open-hub.ts";
export type { SharedWork, Workers } from "./experiment/machines/open-hub.ts";
export { TrajectoryReader, TrajectoryWriter } from "./experiment/machines/trajectories.ts";
export type { Trajectory, TrajectoryCounts } from "./experiment/machines/trajectories.ts";
export { finishWeights, publishWeights, WeightsFeed } from "./experiment/machines/weights.ts";
export type { WeightsPlace } from "./experiment/machines/weights.ts";
export { joinHub } from "./experiment/machines/worker.ts";
export type { WorkerOptions } from "./experiment/machines/worker.ts";
export { resumeConfig, runConfig } from "./experiment/sweep/sweep.ts";
export type { SweepResult } from "./experiment/sweep/sweep.ts";
export { runStages, safePoint } from "./experiment/stages.ts";
export type { Stage, StageContext, StageOptions } from "./experiment/stages.ts";
export { tableText } from "./experiment/report/table.ts";
export type { WatchStep, WatchView, WatchWorld } from "./experiment/play/watch.ts";
export { evaluateWorldModel } from "./experiment/worldmodel-report/evaluate.ts";
export type { WorldModelEvaluation } from "./experiment/worldmodel-report/evaluate.ts";
export type { WorldModelReport } from "./experiment/worldmodel-report/measure.ts";
export type { Bounded, Cell, Column, Estimate, ResultTable } from "./experiment/report/table.ts";

export { jit, stopGradient, tf, toUint8 } from "./engine/jit.ts";
export type { Host, Jitted, Tensor } from "./engine/jit.ts";

export { lengthOf } from "./data/episode.ts";
export type { Episode } from "./data/episode.ts";
export { iterateEpisodes, loadEpisodes, saveEpisode } from "./data/episode-store.ts";
export { openEpisodes } from "./data/episode-source.ts";
export type { EpisodeSource, SourceOptions } from "./data/episode-source.ts";
export { loadImage, saveImage } from "./data/image.ts";
export { openLerobot } from "./data/lerobot/reader.ts";
export type { LerobotDataset, LerobotReadOptions } from "./data/lerobot/reader.ts";
export { openLerobotWriter, writeLerobot } from "./data/lerobot/writer.ts";
export type { LerobotWriter, LerobotWriterOptions } from "./data/lerobot/writer.ts";
export { makeReplay } from "./data/replay.ts";
export type { Replay } from "./data/replay.ts";
export { openVideo } from "./data/video.ts";

export { attributesOf, captionOf, drivingAttributes, paintCar } from "./sim/driving/captions.ts";
export type { SceneAttributes } from "./sim/driving/captions.ts";
export { makeBehaviour, makeExpert } from "./sim/driving/drivers.ts";
export type { Driver } from "./sim/driving/drivers.ts";
export { DrivingVecEnv } from "./sim/driving/vec-env.ts";

export type {
  DiscreteVideoTokenizer,
  Tokenizer,
  VideoTokenizer,
  WindowOptions,
} from "./tokenizer/tokenizer.ts";
export { loadContinuousTokenizer, saveContinuousTokenizer } from "./tokenizer/continuous.ts";
export type { ContinuousConfig } from "./tokenizer/continuous.ts";
export { frameSourceOf } from "./tokenizer/frame-source.ts";
export { makeTokenizerTrainer, reconstructionPsnr } from "./tokenizer/train.ts";
export type { FrameSource, TokenizerTrainer } from "./tokenizer/train.ts";
export { latentFrames, videoFrames } from "./tokenizer/frame-law.ts";
export { codebookUse, codesToIds, cosmosLevels, idsToCodes } from "./tokenizer/fsq.ts";
export type { CodebookUse } from "./tokenizer/fsq.ts";
export { loadDiscreteTokenizer, loadVideoTokenizer, saveVideoTokenizer } from "./tokenizer/video.ts";
export type { VideoTokenizerConfig } from "./tokenizer/video-network.ts";
export { clipQuality, makeVideoTokenizerTrainer } from "./tokenizer/video-train.ts";
export type { ClipQuality, ClipSource, VideoTokenizerTrainer } from "./tokenizer/video-train.ts";
export {
  actionSpecHash,
  checkActionSpec,
  fitActionRange,
  fromDeltas,
  normalizeActions,
  requireSameActions,
  toDeltas,
} from "./worldmodel/action-spec.ts";
export type { AutoregressiveConfig } from "./worldmodel/autoregressive/autoregressive.ts";
export {
  loadAutoregressiveModel,
  saveAutoregressiveModel,
} from "./worldmodel/autoregressive/autoregressive-checkpoint.ts";
export type { AutoregressiveWorldModel } from "./worldmodel/autoregressive/autoregressive-model.ts";
export { makeAutoregressiveTrainer } from "./worldmodel/autoregressive/autoregressive-train.ts";
export type { AutoregressiveTrainer } from "./worldmodel/autoregressive/autoregressive-train.ts";
export type { CausalFlowConfig } from "./worldmodel/causal-flow/causal-flow.ts";
export { loadCausalFlowModel, saveCausalFlowModel } from "./worldmodel/causal-flow/causal-flow-model.ts";
export { makeCausalFlowTrainer } from "./worldmodel/causal-flow/causal-flow-train.ts";
export type { CausalFlowTrainer } from "./worldmodel/causal-flow/causal-flow-train.ts";
export type { FlowTimes } from "./worldmodel/causal-flow/flow-times.ts";
export { initLora, mergeLora, withLora } from "./nn/lora.ts";
export type { LoraAdapter, LoraConfig } from "./nn/lora.ts";
export { makeFineTuner } from "./worldmodel/fine-tune/fine-tune.ts";
export type { FineTuner, FineTunerOptions, TuningMethod } from "./worldmodel/fine-tune/fine-tune.ts";
export { openTunable } from "./worldmodel/fine-tune/fine-tune-kinds.ts";
export type { TunableModel, TuningPhase } from "./worldmodel/fine-tune/fine-tune-kinds.ts";
export { loadAdapted, saveAdapter } from "./worldmodel/fine-tune/lora-file.ts";
export { openTextEndpoint } from "./worldmodel/text/text-endpoint.ts";
export type { TextEndpointOptions } from "./worldmodel/text/text-endpoint.ts";
export { loadTextEncoder, saveTextEncoder, wordsOf } from "./worldmodel/text/text-encoder.ts";
export type { TextEncoder, TextEncoderConfig } from "./worldmodel/text/text-encoder.ts";
export { trainTextEncoder } from "./worldmodel/text/text-encoder-train.ts";
export type { VideoSize, WorldVideo } from "./worldmodel/text/text-video.ts";
export { loadTextWorld, makeTextWorld, saveTextWorld } from "./worldmodel/text/text-world.ts";
export type { Generation, TextWorld, TextWorldConfig, VideoOptions } from "./worldmodel/text/text-world.ts";
export { makeTextWorldTrainer } from "./worldmodel/text/text-world-train.ts";
export type { TextWorldTrainer } from "./worldmodel/text/text-world-train.ts";
export { makeRemoteWorldModel } from "./worldmodel/remote.ts";
export type { Judge, Judgement, RemoteModelOptions, RemoteWorldModel } from "./worldmodel/remote.ts";
export { checkFrameCount, cosmosDomains } from "./worldmodel/remote/chunks.ts";
export { openNim } from "./worldmodel/remote/nim.ts";
export type { ForwardServer, NimServer, Sampling, VideoRequest } from "./worldmodel/remote/nim.ts";
export { openOmni } from "./worldmodel/remote/omni.ts";
export type { OmniOptions } from "./worldmodel/remote/omni.ts";
export * as rotations from "./worldmodel/rotations.ts";
export type { TokenSampling } from "./worldmodel/autoregressive/token-sampling.ts";
export { loadLatentModel, saveLatentModel } from "./worldmodel/latent/checkpoint.ts";
export { makeReplayContexts } from "./worldmodel/contexts.ts";
export type { LatentReplay } from "./worldmodel/contexts.ts";
export type { DenoiserConfig } from "./worldmodel/latent/denoiser.ts";
export type { LatentWorldModel } from "./worldmodel/latent/latent-model.ts";
export { encodeInto, makeLatentReplay } from "./worldmodel/latent/latent-replay.ts";
export { fitNormalizers, type Normalizers } from "./worldmodel/normalizers.ts";
export { makeEnsembleTrainer } from "./worldmodel/latent/train.ts";
export type { EnsembleTrainer, PhaseConfig } from "./worldmodel/latent/train.ts";
export type {
  ActionSpec,
  LatentState,
  Observation,
  ObservationWindow,
  Prediction,
  WorldModel,
} from "./worldmodel/worldmodel.ts";
export { drawActionPairs, scoreActions } from "./worldmodel/measures/action-pairs.ts";
export type { ActionPairs, ActionScore } from "./worldmodel/measures/action-pairs.ts";
export { crashCalibration, foresight } from "./worldmodel/measures/calibration.ts";
export type { CrashCalibration, Foresight } from "./worldmodel/measures/calibration.ts";
export { driftScores } from "./worldmodel/measures/drift.ts";
export type { DriftScore } from "./worldmodel/measures/drift.ts";
export { openLoopScores } from "./worldmodel/measures/evaluate.ts";
export type { HorizonScore } from "./worldmodel/measures/evaluate.ts";
export { frechetDistance } from "./worldmodel/measures/frechet.ts";
export { trainActionProbe } from "./worldmodel/measures/inverse-dynamics.ts";
export type { ActionProbe, ProbeOptions } from "./worldmodel/measures/inverse-dynamics.ts";
export { featureDistances, gatherObedience, obedienceScores } from "./worldmodel/measures/obedience.ts";
export type { FeatureDistance, ObedienceScore } from "./worldmodel/measures/obedience.ts";
export { reliability } from "./worldmodel/measures/reliability.ts";
export type { Reliability } from "./worldmodel/measures/reliability.ts";
export { speedScores } from "./worldmodel/measures/speed.ts";
export type { SpeedScore } from "./worldmodel/measures/speed.ts";
export { makeImaginedEnv } from "./env/imagined.ts";
export type { ContextSource, ImaginedOptions } from "./env/imagined.ts";
export { LatentObservationEnv, withLatentObservations } from "./env/latent.ts";

export { evaluatePolicy, summarize } from "./policy/evaluate.ts";
export type { EpisodeScore, ScoreSummary } from "./policy/evaluate.ts";
export { initActorCritic, makeActorCritic } from "./policy/networks.ts";
export type { ActorCritic, ActorCriticConfig } from "./policy/networks.ts";
export { learningRateAt } from "./nn/schedules.ts";
export { loadCheckpoint, restoreParams, saveCheckpoint } from "./nn/checkpoint.ts";
export { makeCloner } from "./policy/cloning.ts";
export { goalDistance, imaginedReturn } from "./policy/objective.ts";
export type { GoalParts, Objective, ReturnConfig, Scoring } from "./policy/objective.ts";
export { makePlanner } from "./policy/planner.ts";
export type { PlannerConfig, PlannerParts } from "./policy/planner.ts";
export type { ActOptions, Decision, Policy } from "./policy/policy.ts";
export { makePpo } from "./policy/ppo.ts";
export type { PpoConfig, PpoLearner } from "./policy/ppo.ts";
export { beginRollout, collectRollout } from "./policy/rollout.ts";
export type { Rollout, RolloutCursor } from "./policy/rollout.ts";

export { makeAgent } from "./agents/agent.ts";
export type {
  Agent,
  AgentEvent,
  AgentOptions,
  RunOptions as AgentRunOptions,
  RunSummary,
  StepEvent,
} from "./agents/agent.ts";
export { withNormalizedActions } from "./agents/actions.ts";
export { withArmControl } from "./agents/arm.ts";
export type { ArmControlOptions, ArmEvent, ArmHome, ArmLimits, ArmWatch } from "./agents/arm.ts";
export { readCamera } from "./agents/driving/camera.ts";
export { makeFusion } from "./agents/driving/fusion.ts";
export type { FusedState, Fusion, FusionOptions, Reading } from "./agents/driving/fusion.ts";
export { checkAction, hasWayOut } from "./agents/driving/safety.ts";
export type {
  DrivingAction,
  DrivingSituation,
  SafetyLimits,
  SafetyVerdict,
} from "./agents/driving/safety.ts";

export { decode, decodeMap, encode } from "./bridge/codec.ts";
export type { DecodeOptions, WireMap, WireValue } from "./bridge/codec.ts";
export { openEnvServer } from "./bridge/env-server.ts";
export type { EnvServer, EnvServerOptions } from "./bridge/env-server.ts";
export { openFoxglove } from "./bridge/foxglove.ts";
export type { FoxgloveOutlet, Publish, TopicOptions } from "./bridge/foxglove.ts";
export { localInference } from "./bridge/inference.ts";
export type { Inference, InferenceRequest, ServedPolicy } from "./bridge/inference.ts";
export { openInference } from "./bridge/inference-host.ts";
export type { InferenceOptions } from "./bridge/inference-host.ts";
export { makeServedPolicy } from "./bridge/inference-policy.ts";
export type { ServedPolicyOptions } from "./bridge/inference-policy.ts";
export { Metrics as BridgeMetrics, metricsRoute } from "./bridge/metrics.ts";
export { bridgeMetrics } from "./bridge/observe/bridge-metrics.ts";
export { showAgent } from "./bridge/observe/foxglove-topics.ts";
export { openPolicyServer } from "./bridge/policy-server.ts";
export type { PolicyServer, PolicyServerOptions } from "./bridge/policy-server.ts";
export { openRecorder } from "./bridge/recorder.ts";
export type { Recorder } from "./bridge/recorder.ts";
export { RecordedEnv } from "./bridge/recorder/recorded-env.ts";
export { recordedPolicy } from "./bridge/recorder/recorded-policy.ts";
export { openRemoteVectorEnv, RemoteVectorEnv } from "./bridge/remote.ts";
export type { RemoteEnvOptions } from "./bridge/remote.ts";
export { asChunkPolicy } from "./bridge/remote-chunks.ts";
export { openRemotePolicy } from "./bridge/remote-policy.ts";
export type { PolicyReply, RemotePolicy, RemotePolicyOptions } from "./bridge/remote-policy.ts";
export { openRemoteStream } from "./bridge/remote-stream.ts";
export type { RemoteStream, RemoteStreamOptions } from "./bridge/remote-stream.ts";
export { connectRobot, openRobot } from "./bridge/safety.ts";
export type { Robot, RobotEvent, RobotOptions } from "./bridge/safety.ts";
export { safetySchema } from "./bridge/safety/channels.ts";
export type { Channel, SafetyConfig, SafetyInput } from "./bridge/safety/channels.ts";
export type { Clock, Device, DeviceDescription, DeviceEvents } from "./bridge/safety/device.ts";
export { openDevicePort } from "./bridge/safety/device-port.ts";
export type { DevicePort } from "./bridge/safety/device-port.ts";
export type { RobotEnv } from "./bridge/safety/robot-env.ts";
export type { BridgeEvent } from "./bridge/server/events.ts";
export type { ListenerOptions } from "./bridge/server/listener.ts";
export { openStreamServer } from "./bridge/stream-server.ts";
export type { StreamServer, StreamServerOptions } from "./bridge/stream-server.ts";

export type { ArmEnv, ArmOptions } from "./sim/arm/arm-env.ts";
export { makeArmExpert } from "./sim/arm/expert.ts";
export type { ArmExpert, ExpertOptions } from "./sim/arm/expert.ts";
export { computeReward } from "./sim/arm/reward.ts";
export type { Camera } from "./sim/raycaster/camera.ts";
export { makeRaycaster } from "./sim/raycaster/raycaster.ts";
export type { Picture, Raycaster, RaycasterOptions } from "./sim/raycaster/raycaster.ts";
export { makeScene } from "./sim/raycaster/scene.ts";
export type { Light, Material, Primitive, Scene, SceneSpec } from "./sim/raycaster/scene.ts";
export { checker, grid, imageTexture, painted } from "./sim/raycaster/texture.ts";
export type { Texture } from "./sim/raycaster/texture.ts";

registry.registerAll(builtinEnvs);

/** Types of environments by id; extend it (`declare module "reverie"`) to have your own ids typed. */
export interface KnownEnvs extends BuiltinEnvs {}

/** One environment by id: `make("CartPole-v1")`. @throws UNKNOWN_NAME with the nearest known id */
export const make = ((id: string, kwargs?: Kwargs) => registry.make(id, kwargs)) as Make<KnownEnvs>;

/** `make` for environments that load their simulator when they are made: `await makeAsync("ArmReach-v0")`. */
export const makeAsync = ((id: string, kwargs?: Kwargs) =>
  registry.makeAsync(id, kwargs)) as MakeAsync<KnownEnvs>;

/** Many environments by id, stepped together: `await makeVec("CartPole-v1", { numEnvs: 8 })`. */
export const makeVec = ((id: string, options?: MakeVecOptions) =>
  registry.makeVec(id, options)) as MakeVec<KnownEnvs>;

/** Add an environment to those that `make` and `makeVec` know. */
export const register = (spec: EnvSpec): void => registry.register(spec);
