/** @file Specs of the classic-control environments under Gymnasium's ids. */

import type { EnvSpec } from "../../env/env.ts";
import { makeAcrobot } from "./acrobot.ts";
import { makeCartPole } from "./cart-pole.ts";
import type { CartPoleVectorOptions } from "./cart-pole-vector.ts";
import { makeMountainCarContinuous } from "./mountain-car-continuous.ts";
import { makeMountainCar } from "./mountain-car.ts";
import { makePendulum } from "./pendulum.ts";

const module = import.meta.url;
const cartPole = ["renderMode", "suttonBartoReward"];
const mountainCar = ["renderMode", "goalVelocity"];

async function makeCartPoleVector(options: CartPoleVectorOptions) {
  return (await import("./cart-pole-vector.ts")).makeCartPoleVector(options);
}

/** CartPole-v0 and v1, MountainCar-v0, MountainCarContinuous-v0, Pendulum-v1, Acrobot-v1. */
export const envs: readonly EnvSpec[] = [
  {
    id: "CartPole-v0",
    module,
    entryPoint: makeCartPole,
    kwargNames: cartPole,
    vectorEntryPoint: makeCartPoleVector,
    maxEpisodeSteps: 200,
    rewardThreshold: 195,
  },
  {
    id: "CartPole-v1",
    module,
    entryPoint: makeCartPole,
    kwargNames: cartPole,
    vectorEntryPoint: makeCartPoleVector,
    maxEpisodeSteps: 500,
    rewardThreshold: 475,
  },
  {
    id: "MountainCar-v0",
    module,
    entryPoint: makeMountainCar,
    kwargNames: mountainCar,
    maxEpisodeSteps: 200,
    rewardThreshold: -110,
  },
  {
    id: "MountainCarContinuous-v0",
    module,
    entryPoint: makeMountainCarContinuous,
    kwargNames: mountainCar,
    maxEpisodeSteps: 999,
    rewardThreshold: 90,
  },
  {
    id: "Pendulum-v1",
    module,
    entryPoint: makePendulum,
    kwargNames: ["renderMode", "g"],
    maxEpisodeSteps: 200,
  },
  {
    id: "Acrobot-v1",
    module,
    entryPoint: makeAcrobot,
    kwargNames: ["renderMode", "bookOrNips"],
    maxEpisodeSteps: 500,
    rewardThreshold: -100,
  },
];
