/** @file The stage that draws: real frames beside imagined ones, and the learned policy at work. */

import { readFileSync } from "node:fs";
import { enlargeImage, frameAt, type Image } from "../../data/image.ts";
import { composeMosaic } from "../../data/mosaic.ts";
import { encodePng } from "../../data/png.ts";
import { openVideo, type Video } from "../../data/video.ts";
import { zeros } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import type { Segment } from "../../data/window.ts";
import { contextState } from "../../worldmodel/contexts.ts";
import { imagineActions, presentActions } from "../../worldmodel/imagine.ts";
import { imaginedPolicy } from "./stage-imagination.ts";
import type { Pixels } from "./recording.ts";
import { partsOf } from "./task.ts";
import type { Workspace } from "./workspace.ts";

const shownSteps = [0, 2, 4, 6, 8, 10, 12, 15];
const furthest = shownSteps[shownSteps.length - 1];
const beforeEnd = 12;

/** Up to two windows that go on, and one that terminates just before the last picture. */
async function chooseWindows(work: Workspace): Promise<Segment[]> {
  const { episodes } = await work.replay("validation");
  const rng = work.rng("pictures");
  const draw = (count: number): number => Math.floor(rng.random() * count);
  const long = episodes.filter(({ length }) => length > furthest + 5);
  const ended = episodes.filter(({ terminated, length }) => terminated && length >= beforeEnd);
  const going = long.length === 0 ? [] : [long[draw(long.length)], long[draw(long.length)]];
  const ending = ended.length === 0 ? [] : [ended[draw(ended.length)]];
  return [
    ...going.map(({ index, length }) => ({ episode: index, present: 4 + draw(length - furthest - 4) })),
    ...ending.map(({ index, length }) => ({ episode: index, present: length - beforeEnd })),
  ];
}

/** Decoded frames at `shownSteps`, and the probability of having terminated by the last of them, per window. */
async function imagineWindows(
  work: Workspace,
  segments: readonly Segment[],
): Promise<{ frames: Image[][]; ended: number[] }> {
  const model = work.model();
  const replay = await work.replay("validation");
  const batch = replay.gather(segments, { context: model.contextLength, horizon: furthest });
  const actions = presentActions(batch.transitions.action, model.contextLength);
  const start = contextState(model, batch);
  const frames: Image[][] = segments.map(() => []);
  const alive = segments.map(() => 1);
  const keep = async (state: typeof start): Promise<void> => {
    const { frame } = await model.decode(state);
    segments.forEach((_, b) => frames[b].push(frameAt(frame, b)));
  };
  await keep(start);
  await imagineActions(model, start, actions, async (h, { state, terminatedProbabilities }) => {
    segments.forEach((_, b) => (alive[b] *= 1 - terminatedProbabilities.data[b]));
    if (shownSteps.includes(h + 1)) await keep(state);
  });
  return { frames, ended: alive.map((p) => 1 - p) };
}

/** Rows of real and imagined frames under the same actions. */
export async function drawImagination(work: Workspace): Promise<void> {
  const episodes = await work.episodes("validation");
  const segments = await chooseWindows(work);
  if (segments.length === 0) return work.context.log("no validation episode is long enough for a picture");
  const imagined = await imagineWindows(work, segments);
  const cells = segments.flatMap(({ episode, present }, b) => {
    const { frames } = episodes[episode];
    const last = frames.shape[0] - 1;
    const real = shownSteps.map((step) =>
      present + step <= last ? frameAt(frames, present + step) : undefined,
    );
    return [real, imagined.frames[b]];
  });
  const { stepSeconds } = work.model();
  const { words } = work.task;
  const image = composeMosaic({
    title: `${work.config.env}: what happened, and the same actions imagined`,
    cells,
    columnLabels: shownSteps.map((step) => (step === 0 ? "now" : `+${(step * stepSeconds).toFixed(1)} s`)),
    rowLabels: imagined.ended.flatMap((p) => ["real", `imagined\n${words.end} ${(p * 100).toFixed(0)} %`]),
    scale: 2,
    textScale: 2,
    gap: 4,
  });
  work.context.runDir.addPicture(
    `imagination-${work.seed}.png`,
    encodePng(image, 9),
    `Validation ${words.places}, never trained on. Upper rows: what happened. Lower rows: decoded from the world model, which saw only the frames up to now and the actions. The last pair ends in a ${words.end}.`,
  );
}

/** One picture of the video: the simulator, the policy's camera, the dream. */
function composeScene(scene: Image, camera: Image, dream: Image): Image {
  return composeMosaic({
    cells: [[scene, enlargeImage(camera, 4), enlargeImage(dream, 4)]],
    columnLabels: ["simulator", "what the policy sees", "what the model imagined"],
    textScale: 2,
    gap: 4,
  });
}

/** A video of one unseen test world of `task`, with the dream set back to reality every 1.5 s. */
export async function filmPolicy(work: Workspace, task = work.task, steps = 200): Promise<void> {
  const model = work.model();
  const { policy } = work.loadPolicy(imaginedPolicy);
  const env = await task.makeEnv({ numEnvs: 1, split: "test" });
  const choose = { begins: zeros("bool", [1]), rng: Rng.fromSeed(work.seed) };
  const first = (await env.reset({ seed: 53_000_000 })).observations as Pixels;
  let state = await model.encode(
    oneFrameWindow(first),
    zeros("float32", [1, 0, model.actionSpec.names.length]),
  );
  let dream = state;
  const name = task === work.task ? "drive" : `drive-${task.id}`;
  const path = work.file(`${name}.webp`);
  let video: Video | undefined;
  for (let t = 0; t < steps; t++) {
    const { actions } = await policy.act(model.features(state), choose.begins, { deterministic: true });
    const batch = await env.step(actions);
    const pixels = batch.observations as Pixels;
    state = await model.observe(state, actions, pixels);
    dream = t % furthest === 0 ? state : (await model.step(dream, actions, choose.rng)).state;
    const { frame: imagined } = await model.decode(dream);
    const [scene] = (await env.render()) as Image[];
    const image = composeScene(scene, frameAt(pixels.frame, 0), frameAt(imagined, 0));
    video ??= await openVideo(path, { width: image.shape[1], height: image.shape[0], fps: 10 });
    await video.write(image);
    if (batch.terminations.data[0] || batch.truncations.data[0]) break;
  }
  await video?.close();
  await env.close();
  const caption =
    "The policy learned in imagination on an unseen test world; right: the world model's dream under the policy's actions, set back to reality every 1.5 s.";
  work.context.runDir.addVideo(`${name}-${work.seed}.webp`, readFileSync(path), caption);
}

function oneFrameWindow({ frame, state }: Pixels): Pixels {
  return {
    frame: { ...frame, shape: [frame.shape[0], 1, ...frame.shape.slice(1)] },
    state: { ...state, shape: [state.shape[0], 1, ...state.shape.slice(1)] },
  };
}

/** All pictures of one seed. */
export async function draw(work: Workspace): Promise<void> {
  await drawImagination(work);
  work.context.progress(0.4, "video");
  for (const task of partsOf(work.task)) await filmPolicy(work, task);
}
