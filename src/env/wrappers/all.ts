/** @file Every wrapper, for the namespace `wrappers`. */

export { ActionChunk } from "./action-chunk.ts";
export { AddRenderObservation } from "./add-render-observation.ts";
export { Autoreset } from "./autoreset.ts";
export { ActionWrapper, ObservationWrapper, RewardWrapper, Wrapper } from "./base.ts";
export { ClipAction } from "./clip-action.ts";
export { ClipReward } from "./clip-reward.ts";
export { DelayAction } from "./delay-action.ts";
export { DelayObservation } from "./delay-observation.ts";
export { DiscretizeAction, DiscretizeObservation } from "./discretize.ts";
export { DtypeObservation } from "./dtype-observation.ts";
export { replayEpisode } from "./episode-log.ts";
export type { EpisodeLog } from "./episode-log.ts";
export { FilterObservation } from "./filter-observation.ts";
export { FlattenObservation } from "./flatten-observation.ts";
export { FrameStackObservation } from "./frame-stack-observation.ts";
export { GrayscaleObservation } from "./grayscale-observation.ts";
export {
  getWrapperAttr,
  hasWrapperAttr,
  layersOf,
  lift,
  loadWrappers,
  saveWrappers,
  setWrapperAttr,
  unwrappedOf,
} from "./lift.ts";
export { MaxAndSkipObservation } from "./max-and-skip-observation.ts";
export { NormalizeObservation } from "./normalize-observation.ts";
export { NormalizeReward } from "./normalize-reward.ts";
export { OrderEnforcing } from "./order-enforcing.ts";
export { RecordEpisodeStatistics } from "./record-episode-statistics.ts";
export { RecordVideo } from "./record-video.ts";
export { RepeatAction } from "./repeat-action.ts";
export { RescaleAction } from "./rescale-action.ts";
export { RescaleObservation } from "./rescale-observation.ts";
export { ReshapeObservation } from "./reshape-observation.ts";
export { ResizeObservation } from "./resize-observation.ts";
export { StickyAction } from "./sticky-action.ts";
export { TimeAwareObservation } from "./time-aware-observation.ts";
export { TimeLimit } from "./time-limit.ts";
export { TransformAction, TransformObservation, TransformReward } from "./transform.ts";
export { VectorWrapper } from "./vector-wrapper.ts";
