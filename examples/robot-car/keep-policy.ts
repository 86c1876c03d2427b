/** @file Keeps of a run what driving needs: `npx tsx examples/robot-car/keep-policy.ts runs/<run> [FOLDER]`. */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { seedFolder, shippedPolicy } from "./drivers.ts";

interface Verdict {
  readonly policies: readonly {
    readonly id: string;
    readonly test: readonly { readonly return: number }[];
  }[];
}

/** Copy tokenizer, world model and the policy learned in imagination, and say how good its run found it. */
export function keepPolicy(run: string, to: string = shippedPolicy): void {
  const from = seedFolder(run);
  mkdirSync(join(to, "policies"), { recursive: true });
  for (const file of ["tokenizer", "worldmodel", "policies/imagined"])
    copyFileSync(join(from, `${file}.safetensors`), join(to, `${file}.safetensors`));
  const { policies } = JSON.parse(readFileSync(join(from, "verdict.json"), "utf8")) as Verdict;
  const meanReturns = Object.fromEntries(policies.map(({ id, test }) => [id, meanReturn(test)]));
  const origin = {
    command: "npm run reverie -- run examples/robot-car/policy.yaml",
    episodes: policies[0].test.length,
    meanReturnOnUnseenTracks: meanReturns,
  };
  writeFileSync(join(to, "origin.json"), `${JSON.stringify(origin, null, 2)}\n`);
}

function meanReturn(episodes: readonly { readonly return: number }[]): number {
  return Number((episodes.reduce((sum, episode) => sum + episode.return, 0) / episodes.length).toFixed(1));
}

if (process.argv[1]?.endsWith("keep-policy.ts") === true) keepPolicy(process.argv[2] ?? "", process.argv[3]);
