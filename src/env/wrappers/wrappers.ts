/** @file The public namespace `wrappers`: `wrappers.TimeLimit(env, { maxEpisodeSteps })` and the like. */

export * as wrappers from "./all.ts";
