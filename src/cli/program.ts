/** @file The commands of `reverie` and their options; each command's work is loaded when it is called. */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ReverieError } from "../core/errors.ts";
import type { CompareFlags } from "./compare.ts";
import type { DashboardFlags } from "./dashboard.ts";
import type { ReplayOptions } from "./data-replay.ts";
import type { FinetuneFlags } from "./finetune.ts";
import type { GenerateFlags } from "./generate.ts";
import type { ConvertOptions } from "./data.ts";
import type { WorldModelFlags } from "./evaluate.ts";
import type { RunFlags } from "./run.ts";
import type { WorkerFlags } from "./worker.ts";

/** Exit codes, documented in docs/experiments.md. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const usageErrors = new Set(["INVALID_CONFIG", "UNKNOWN_NAME", "INVALID_ARGUMENT"]);

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("expected an integer >= 0");
  return value;
}

const defaultPort = 7788;

function portOf(text: string): number {
  const port = integer(text);
  if (port > 65_535) throw new InvalidArgumentError("expected a port up to 65535");
  return port;
}

/** What `--dashboard [port]` gives: true without a port. */
interface Shown {
  readonly dashboard?: number | true;
}

function portShown({ dashboard }: Shown): number | undefined {
  return dashboard === true ? defaultPort : dashboard;
}

function collected(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function addDashboard(program: Command): void {
  program
    .command("dashboard")
    .description("show runs on a page: progress, curves, worlds, configs, robots")
    .argument("[runs...]", "folders of runs, of sweeps, or of several of them (default: runs)")
    .option("--port <n>", "port to listen on; 0 takes a free one", portOf, defaultPort)
    .option(
      "--host <address>",
      "address to listen on; off loopback REVERIE_DASHBOARD_TOKEN is needed",
      "127.0.0.1",
    )
    .option("--bridge <url>", "a bridge whose robots are shown; may be given again", collected)
    .option("--play", "let the page play in the runs' worlds")
    .action(async (runs: string[], flags: DashboardFlags) =>
      (await import("./dashboard.ts")).dashboard(runs, flags),
    );
}

const workersOption = [
  "--workers <url>",
  "share the work with `reverie worker <url>` on any machine (nats://host:4222)",
] as const;

function addWorker(program: Command): void {
  program
    .command("worker")
    .description("work for runs that are launched with --workers and the same URL, until Ctrl-C")
    .argument("<url>", "server, as in nats://host:4222 or tls://host:4222; a token goes before the host")
    .option("--idle-seconds <n>", "leave after so long without work", integer)
    .option("--folder <folder>", "where runs in hand are kept (default: a temporary folder)")
    .option("--snapshot-seconds <n>", "time between snapshots of an unfinished run (default: 60)", integer)
    .action(async (url: string, flags: WorkerFlags) => (await import("./worker.ts")).worker(url, flags));
}

function addRuns(program: Command): void {
  program
    .command("run")
    .description("run the experiment, or the sweep, that a YAML file describes")
    .argument("<yaml>", "config file")
    .argument("[overrides...]", "fields to change, as in policy.horizon=20")
    .option("--run-dir <folder>", "folder of the run (default: runs/<name>-<seed>-<time>)")
    .option("--seed <n>", "same as seed=n", integer)
    .option("--dashboard [port]", "show the run on a page while it lasts (port 7788)", portOf)
    .option("--check-reads", "fail at the end when nothing has read some field of the config")
    .option(...workersOption)
    .action(async (yaml: string, overrides: string[], options: Omit<RunFlags, "dashboard"> & Shown) =>
      (await import("./run.ts")).run(yaml, overrides, { ...options, dashboard: portShown(options) }),
    );
  program
    .command("resume")
    .description("go on with a run that was stopped or killed")
    .argument("<run>", "folder of the run")
    .option("--dashboard [port]", "show the run on a page while it lasts (port 7788)", portOf)
    .option(...workersOption)
    .action(async (path: string, options: Shown & { workers?: string }) =>
      (await import("./run.ts")).resume(path, { ...options, dashboard: portShown(options) }),
    );
  addEvaluate(program);
}

function addEvaluate(program: Command): void {
  const evaluate = program
    .command("evaluate")
    .description("judge a finished run again and rewrite its tables and report")
    .argument("<run>", "folder of the run")
    .option("--episodes <n>", "episodes per row")
    .action(async (path: string, options: { episodes?: string }) =>
      (await import("./evaluate.ts")).evaluate(path, options),
    );
  evaluate
    .command("worldmodel")
    .description(
      "measure a world model of any kind: pictures, actions, drift, ends, rewards, speed, imagined against real returns",
    )
    .argument("<run|checkpoint>", "folder of a run, folder of checkpoints, or a checkpoint file")
    .option("--episodes <folder>", "recordings to measure on (default: the run's own on validation worlds)")
    .option("--report <file>", "where the page goes, JSON beside it (default: worldmodel-report.html there)")
    .option("--seed <n>", "repetition of the run (default: its first)", integer)
    .option("--windows <n>", "windows per measure (default: 128)", integer)
    .addOption(
      new Option(
        "--sampling-steps <n>",
        "passes per imagined frame of a causal flow (default: its own)",
      ).choices(["1", "2", "4"]),
    )
    .option("--starts <n>", "starts per policy and split for returns, 0 for none (default: 32)", integer)
    .action(async (path: string, options: WorldModelFlags) =>
      // Commander gives an option that both commands know to the outer one.
      (await import("./evaluate.ts")).evaluateModel(path, {
        ...evaluate.opts<WorldModelFlags>(),
        ...options,
      }),
    );
}

function addRecords(program: Command): void {
  program
    .command("compare")
    .description("compare runs: seeds of one config are put together, intervals as the field reports them")
    .argument("<runs...>", "folders of runs")
    .option("--methods <keys>", "only these, separated by commas")
    .option("--metric <stage/metric>", "compare a metric's last value instead of the judged scores")
    .addOption(new Option("--goal <goal>", "which values are better").choices(["max", "min"]).default("max"))
    .option("--title <text>", "heading of the page")
    .option("--html <file>", "where the page goes", "comparison.html")
    .option("--no-html", "write no page")
    .option("--json <file>", "write the numbers too")
    .action(async (runs: string[], flags: CompareFlags) =>
      (await import("./compare.ts")).compare(runs, flags),
    );
}

function addReproduce(program: Command): void {
  program
    .command("reproduce")
    .description("run a finished run again from its own config and say whether the results are the same")
    .argument("<run>", "folder of the run")
    .option("--run-dir <folder>", "folder of the repetition (default: <run>-again)")
    .option("--against <run>", "compare with this finished run instead of running again")
    .action(async (path: string, options: { runDir?: string; against?: string }) =>
      (await import("./compare.ts")).reproduce(path, options),
    );
}

function addConfig(program: Command): void {
  const config = program.command("config").description("check, explain and describe config files");
  config
    .command("check")
    .description("check a file, and every run of its sweep, without running anything")
    .argument("<yaml>", "config file")
    .argument("[overrides...]", "fields to change, as in policy.horizon=20")
    .action(async (yaml: string, overrides: string[]) =>
      (await import("./config.ts")).check(yaml, overrides),
    );
  config
    .command("explain")
    .description(
      "every field with its meaning, default and type; with a file also its value and where it was set",
    )
    .argument("<yaml|experiment>", "config file, or an experiment such as driving")
    .argument("[field]", "this field, or all beneath it, as in policy")
    .action(async (target: string, field?: string) => (await import("./config.ts")).explain(target, field));
  config
    .command("schema")
    .description("JSON Schema of config files, for completion in editors")
    .argument("[experiment]", "of this experiment alone")
    .option("--out <file>", "write it there")
    .action(async (name: string | undefined, options: { out?: string }) =>
      (await import("./config.ts")).schema(name, options.out),
    );
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("expected a number");
  return value;
}

const places = (text: string): number[] => text.split(",").map(integer);

function addData(program: Command): void {
  const data = program.command("data").description("describe, convert and replay folders of episodes");
  data
    .command("info")
    .description("say what a folder of episodes or a LeRobotDataset holds")
    .argument("<folder>")
    .action(async (folder: string) => (await import("./data.ts")).dataInfo(folder));
  data
    .command("stats")
    .description("statistics of every feature: stored ones, or computed from our own episodes")
    .argument("<folder>")
    .option("--compute", "compute them from the data even where they are stored")
    .action(async (folder: string, options: { compute?: boolean }) =>
      (await import("./data.ts")).dataStats(folder, options),
    );
  addDataConvert(data);
  data
    .command("replay")
    .description("play recorded actions again in the environment that recorded them; say how far it differs")
    .argument("<folder>")
    .option("--episodes <places>", "only these, as in 0,3,7", places)
    .option("--env <id>", "environment, where the episodes do not name theirs")
    .option("--seed <n>", "seed of the reset that began them, where they do not say", integer)
    .option("--tolerance <x>", "fail when a state or reward differs by more, or an end does", number)
    .action(async (folder: string, options: ReplayOptions) =>
      (await import("./data-replay.ts")).dataReplay(folder, options),
    );
}

function addDataConvert(data: Command): void {
  data
    .command("convert")
    .description("turn episodes into a LeRobotDataset v3.0, or a LeRobotDataset into episodes")
    .argument("<from>", "folder of episodes or of a LeRobotDataset (v2.1 or v3.0)")
    .argument("<to>", "new folder")
    .addOption(
      new Option("--format <form>", "what to write (default: the other form)").choices([
        "lerobot",
        "episodes",
      ]),
    )
    .option("--fps <n>", "steps per second, where the data does not say", integer)
    .option("--camera <name>", "camera that an episode's frames are (default: front, or the first)")
    .option("--video", "store pictures as H.264 video instead of PNG: smaller, not exact")
    .option("--no-extras", "leave out what episodes hold beside frames, states, actions and rewards")
    .option("--robot-type <name>", "robot_type of the data set")
    .addOption(
      new Option("--last-observation <how>", "where the observation after the last action is missing")
        .choices(["repeat", "drop"])
        .default("repeat"),
    )
    .action(async (from: string, to: string, options: ConvertOptions) =>
      (await import("./data.ts")).dataConvert(from, to, options),
    );
}

function addFinetune(program: Command): void {
  program
    .command("finetune")
    .description(
      "train a saved world model further on other episodes; a killed run goes on with `reverie resume`",
    )
    .argument("[overrides...]", "fields to change, as in training.batchSize=16")
    .requiredOption("--base <file>", "world model to begin with (latent or causal flow)")
    .requiredOption("--tokenizer <file>", "the tokenizer that it was trained with")
    .requiredOption("--data <folder>", "new episodes, or a LeRobotDataset")
    .option("--validation <folder>", "episodes for validation (default: the data's last tenth)")
    .option("--old <folder>", "episodes of the old domain: what is forgotten is measured on them")
    .addOption(new Option("--method <how>", "what is trained").choices(["full", "lora"]).default("lora"))
    .option("--rank <n>", "rank of the adapter", integer, 8)
    .option("--alpha <x>", "strength of the adapter (default: twice its rank)", number)
    .option("--epochs <n>", "passes over the data", integer, 4)
    .option("--learning-rate <x>", "peak (default: 0.002 for adapters, 0.0005 for all weights)", number)
    .option("--run-dir <folder>", "folder of the run (default: runs/finetune-<seed>-<time>)")
    .option("--seed <n>", "seed of everything random", integer)
    .action(async (overrides: string[], flags: FinetuneFlags) =>
      (await import("./finetune.ts")).finetune(flags, overrides),
    );
}

function addGenerate(program: Command): void {
  program
    .command("generate")
    .description("make a video from words, or from a picture and words")
    .argument("<prompt>", "what it shows")
    .requiredOption("--model <file>", "text world")
    .requiredOption("--tokenizer <file>", "the tokenizer that it was trained with")
    .requiredOption("--encoder <file|url>", "its text encoder, or the server of embeddings behind it")
    .option("--encoder-model <name>", "model of that server")
    .option("--encoder-size <n>", "numbers per text of that model", integer)
    .option("--image <file>", "first frame, of the model's size")
    .option("--out <file>", ".mp4, .gif or .webp", "world.mp4")
    .option("--seconds <x>", "length, a whole number of the model's steps", number, 2)
    .option("--size <WxH>", "a whole multiple of the model's frames, as in 256x256")
    .option("--guidance <x>", "how closely the words are followed", number, 2)
    .option("--steps <n>", "steps from noise to a frame", integer, 8)
    .option("--seed <n>", "seed of everything random", integer, 0)
    .action(async (prompt: string, flags: GenerateFlags) =>
      (await import("./generate.ts")).generate(prompt, flags),
    );
}

function addOthers(program: Command): void {
  program
    .command("play")
    .description("drive a simulator, or a run's simulator and dream side by side, from the keyboard")
    .argument("<run|env-id>", "folder of a run, or an environment such as CartPole-v1")
    .option("--seed <n>", "seed of the first episode", integer)
    .action(async (target: string, options: { seed?: number }) =>
      (await import("./play.ts")).playTarget(target, options),
    );
  program
    .command("doctor")
    .description("say what works on this machine, and why the rest does not")
    .action(async () => (await import("./doctor.ts")).doctor());
}

function buildProgram(): Command {
  const program = new Command("reverie")
    .description("Reinforcement learning inside learned worlds.")
    .option("--debug", "print stack traces of errors")
    .showHelpAfterError("(see reverie --help)")
    .exitOverride();
  addRuns(program);
  addWorker(program);
  addRecords(program);
  addReproduce(program);
  addConfig(program);
  addData(program);
  addFinetune(program);
  addGenerate(program);
  addDashboard(program);
  addOthers(program);
  return program;
}

/** Run the command line; returns the exit code and never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = buildProgram();
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    return report(error, program.opts<{ debug?: boolean }>().debug === true);
  }
}

function report(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const known = error instanceof ReverieError;
  process.stderr.write(
    `${debug && error instanceof Error ? error.stack : `error: ${(error as Error).message}`}\n`,
  );
  if (!known && !debug) process.stderr.write("(an unexpected error: --debug shows where)\n");
  if (!known) return exitCodes.failed;
  if (error.code === "INTERRUPTED") return exitCodes.interrupted;
  return usageErrors.has(error.code) ? exitCodes.usage : exitCodes.failed;
}
