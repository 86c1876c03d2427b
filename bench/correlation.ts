/**
 * @file Does a policy that earns more in the dream earn more in reality? Imagined against real returns of many policies.
 *
 * `npm run bench:correlation -- train --runs A,B`: world models with and without crashed episodes, on the recordings of
 * finished driving runs. `… -- study --runs A,B --json FILE [--starts N] [--horizons 15,30] [--whole]`: returns of graded
 * policies in the simulator (to the episodes' ends too with --whole), in each run's own model and in those. `… -- table
 * --json FILE,FILE [--runs A,B] [--points STEPS] [--picture FILE]`: the correlations (with the runs' own judgement of whole
 * episodes too, if they are named), every policy's returns, and scatter plots.
 * Common: `--folder DIR`, where the trained models are.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { diets, trainAblation } from "./correlation/ablation.ts";
import { judgedTable } from "./correlation/judged.ts";
import { studyRun, type StudyPart } from "./correlation/study.ts";
import { pointsTable, studyPicture, studyTable } from "./correlation/show.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "" },
    folder: { type: "string", default: "runs/bench-correlation" },
    json: { type: "string", default: "correlation.json" },
    picture: { type: "string" },
    starts: { type: "string", default: "24" },
    points: { type: "string", default: "15" },
    horizons: { type: "string", default: "15,30,50" },
    whole: { type: "boolean", default: false },
  },
});

const runs = values.runs.split(",").filter(Boolean);

async function study(): Promise<void> {
  const options = {
    folder: values.folder,
    json: values.json,
    starts: Number(values.starts),
    horizons: values.horizons.split(",").map(Number),
    splits: ["validation", "test"] as const,
    wholeEpisodes: values.whole,
    log: (line: string) => console.error(line),
  };
  for (const run of runs) await studyRun(run, options);
}

async function show(): Promise<void> {
  const files = values.json.split(",");
  const parts = files.flatMap((file) => JSON.parse(readFileSync(file, "utf8")) as StudyPart[]);
  console.log(studyTable(parts));
  if (runs.length > 0) console.log(`\nagainst whole judged episodes\n\n${judgedTable(parts, runs)}`);
  for (const part of parts.filter(({ model }) => model === "own"))
    console.log(`\nseed ${part.seed}, ${values.points} steps\n\n${pointsTable(part, Number(values.points))}`);
  if (values.picture !== undefined) writeFileSync(values.picture, await studyPicture(parts));
}

if (positionals[0] === "train") {
  for (const run of runs) for (const diet of diets) await trainAblation(run, values.folder, diet);
} else if (positionals[0] === "study") await study();
else await show();
