/** @file `reverie data info | stats | convert`: folders of episodes described, summed up, and turned into the other form. */

import { existsSync, readdirSync } from "node:fs";
import { fail } from "../core/errors.ts";
import type { Episode } from "../data/episode.ts";
import { openEpisodes } from "../data/episode-source.ts";
import type { EpisodeSource, SourceOptions } from "../data/episode-source.ts";
import { saveEpisode } from "../data/episode-store.ts";
import { episodeStats } from "../data/lerobot/cells.ts";
import { mainCamera } from "../data/lerobot/assemble.ts";
import { featuresOf, isNumeric } from "../data/lerobot/features.ts";
import type { DatasetStats } from "../data/lerobot/stats.ts";
import { joinStats, statNames } from "../data/lerobot/stats.ts";
import type { LerobotWriterOptions } from "../data/lerobot/writer.ts";
import { writeLerobot } from "../data/lerobot/writer.ts";
import { Registry } from "../env/registry.ts";
import type { Column } from "../experiment/report/table.ts";
import { tableText } from "../experiment/report/table.ts";
import { builtinEnvs } from "../sim/envs.ts";

/** Run `work` on an open folder and close it. */
async function using<T>(
  folder: string,
  options: SourceOptions,
  work: (source: EpisodeSource) => Promise<T>,
): Promise<T> {
  const source = await openEpisodes(folder, options);
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

interface Totals {
  episodes: number;
  steps: number;
  terminated: number;
  truncated: number;
  policies: Map<string, number>;
}

async function totalsOf(episodes: AsyncIterable<Episode>): Promise<Totals> {
  const totals: Totals = { episodes: 0, steps: 0, terminated: 0, truncated: 0, policies: new Map() };
  for await (const { rewards, terminated, truncated, meta } of episodes) {
    totals.episodes++;
    totals.steps += rewards.data.length;
    totals.terminated += Number(terminated);
    totals.truncated += Number(truncated);
    const policy = typeof meta.policy === "string" ? meta.policy : "unknown";
    totals.policies.set(policy, (totals.policies.get(policy) ?? 0) + 1);
  }
  return totals;
}

const shapeText = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

async function lerobotFacts({ dataset }: EpisodeSource): Promise<string[]> {
  const { info, metadata } = dataset!;
  const read = (dtype: string): boolean => isNumeric(dtype) || dtype === "image" || dtype === "video";
  const widest = Math.max(...Object.keys(info.features).map((key) => key.length));
  return [
    `LeRobotDataset ${info.codebase_version}, ${info.fps} frames per second, robot ${info.robot_type ?? "unnamed"}`,
    `${info.total_episodes} episodes, ${info.total_frames} frames, ${metadata.tasks.length} tasks: ${metadata.tasks.join("; ")}`,
    Object.keys(metadata.files).length > 0
      ? "written here: ids, facts, ends and last observations are in reverie/"
      : "from elsewhere: it has no observation after an episode's last action (see --last-observation)",
    "",
    ...Object.entries(info.features).map(
      ([key, { dtype, shape }]) =>
        `${key.padEnd(widest)}  ${dtype} ${shapeText(shape)}${read(dtype) ? "" : "  (not read)"}`,
    ),
  ];
}

async function episodeFacts(source: EpisodeSource): Promise<string[]> {
  const { frames, states, actions, extras = {} } = await source.episode(0);
  const { episodes, steps, terminated, truncated, policies } = await totalsOf(source.episodes());
  const byPolicy = [...policies].map(([policy, count]) => `${count} of "${policy}"`).join(", ");
  const arrays = { frames, states, actions, ...extras };
  return [
    "folder of episodes",
    `${episodes} episodes, ${steps} steps; ${terminated} terminated, ${truncated} truncated; ${byPolicy}`,
    "",
    ...Object.entries(arrays).map(
      ([name, { dtype, shape }]) => `${name}  ${dtype} ${shapeText(shape.slice(1))}`,
    ),
  ];
}

/** Say what a folder holds. */
export async function dataInfo(folder: string): Promise<void> {
  await using(folder, {}, async (source) => {
    const facts = source.kind === "lerobot" ? await lerobotFacts(source) : await episodeFacts(source);
    print(facts.join("\n"));
  });
}

/** Statistics computed from the episodes themselves, one in memory at a time. */
async function computedStats(source: EpisodeSource): Promise<DatasetStats> {
  let stats: DatasetStats = {};
  for await (const episode of source.episodes()) {
    const list = featuresOf(episode, { camera: "front", images: "image", extras: true });
    stats = joinStats(stats, episodeStats(list, episode.rewards.data.length));
  }
  return stats;
}

/** Print the statistics of a folder: those stored, or with `compute` those of the episodes as they are read. */
export async function dataStats(folder: string, options: { readonly compute?: boolean }): Promise<void> {
  await using(folder, {}, async (source) => {
    const stored = options.compute === true ? undefined : source.dataset?.metadata.stats;
    const stats = stored ?? (await computedStats(source));
    const columns: Column[] = [
      { key: "feature", label: "feature" },
      ...statNames.map((key): Column => ({ key, label: key, digits: key === "count" ? 0 : 4 })),
    ];
    const rows = Object.entries(stats).flatMap(([feature, own]) =>
      own.mean.map((_, i) => {
        const name = own.mean.length > 1 ? `${feature}[${i}]` : feature;
        const cells = statNames.map((stat) => [stat, own[stat][stat === "count" ? 0 : i]]);
        return { cells: { feature: name, ...(Object.fromEntries(cells) as Record<string, number>) } };
      }),
    );
    const title = stored === undefined ? "computed from the episodes" : "as stored";
    print(tableText({ title: `Statistics of ${folder}, ${title}`, columns, rows }));
  });
}

/** Options of `reverie data convert`. */
export interface ConvertOptions {
  readonly format?: "lerobot" | "episodes";
  readonly fps?: number;
  readonly camera?: string;
  readonly video?: boolean;
  readonly extras?: boolean;
  readonly robotType?: string;
  readonly lastObservation?: "repeat" | "drop";
}

/** Steps per second: as asked for, as the data says, or as its environment does. @throws INVALID_ARGUMENT */
async function fpsOf(source: EpisodeSource, wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) return wanted;
  if (source.dataset !== undefined) return source.dataset.info.fps;
  const { meta } = await source.episode(0);
  if (typeof meta.rateHz === "number") return meta.rateHz;
  const registry = new Registry(builtinEnvs);
  if (typeof meta.env === "string" && builtinEnvs.some(({ id }) => id === meta.env)) {
    const env = await registry.makeVec(meta.env, { numEnvs: 1 });
    await env.close();
    if (env.metadata.renderFps !== undefined) return env.metadata.renderFps;
  }
  return fail({
    code: "INVALID_ARGUMENT",
    what: "nothing says how long a step of these episodes lasts",
    expected: "steps per second",
    fix: "add --fps",
  });
}

/** The name that the main camera has, or gets. */
function cameraOf({ dataset }: EpisodeSource): string {
  const key = dataset === undefined ? undefined : mainCamera(dataset.info, undefined);
  return key?.replace(/^observation\.images?\./, "") ?? "front";
}

async function* counted(episodes: AsyncIterable<Episode>, count: number): AsyncGenerator<Episode> {
  let done = 0;
  for await (const episode of episodes) {
    yield episode;
    done++;
    if (process.stdout.isTTY) process.stdout.write(`\r${done} of ${count}`);
  }
  if (process.stdout.isTTY) process.stdout.write("\r");
}

/** Turn a folder of episodes into a LeRobotDataset v3.0, or a LeRobotDataset into episodes. @throws INVALID_ARGUMENT */
export async function dataConvert(from: string, to: string, options: ConvertOptions): Promise<void> {
  const { camera, lastObservation } = options;
  await using(from, { camera, lastObservation }, async (source) => {
    const format = options.format ?? (source.kind === "lerobot" ? "episodes" : "lerobot");
    const episodes = counted(source.episodes(), source.count);
    if (format === "lerobot") {
      const settings: LerobotWriterOptions = {
        fps: await fpsOf(source, options.fps),
        images: options.video === true ? "video" : "image",
        camera: camera ?? cameraOf(source),
        extras: options.extras ?? true,
        robotType: options.robotType,
      };
      const written = await writeLerobot(to, episodes, settings);
      print(`wrote ${written.episodes} episodes, ${written.frames} frames to ${to}`);
      return;
    }
    if (existsSync(to) && readdirSync(to).length > 0)
      fail({ code: "INVALID_ARGUMENT", what: `${to} is not empty`, fix: "choose another folder" });
    let repeated = 0;
    for await (const episode of episodes) {
      await saveEpisode(to, episode);
      repeated += episode.meta.lastObservation === "repeated" ? 1 : 0;
    }
    print(`wrote ${source.count} episodes to ${to}`);
    if (repeated > 0)
      print(`${repeated} of them end in their last observation twice: the data set has no later one`);
  });
}
