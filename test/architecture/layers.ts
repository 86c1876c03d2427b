/** @file The house plan as data: which folder may import what, and which folder is a package's door. */

/** What a folder of src may import besides itself. */
export interface Layer {
  /** Whole folders. */
  readonly folders: readonly string[];
  /** Folders of which only the contract may be imported: the file named like the folder. */
  readonly contracts: readonly string[];
  /** Files of this folder that may import everything, as prefixes of paths inside it. */
  readonly free?: readonly string[];
}

const layer = (folders: string, contracts = "", free: readonly string[] = []): Layer => ({
  folders: folders.split(" ").filter(Boolean),
  contracts: contracts.split(" ").filter(Boolean),
  free,
});

/** DESIGN §2's table. `.` stands for files directly in src: the public API and the command line. */
export const layers: Readonly<Record<string, Layer>> = {
  core: layer(""),
  engine: layer("core"),
  nn: layer("core engine"),
  data: layer("core"),
  reason: layer("core data"),
  curator: layer("core data", "reason"),
  tokenizer: layer("core engine nn data"),
  worldmodel: layer("core engine nn data", "tokenizer"),
  env: layer("core data", "worldmodel"),
  sim: layer("core", "env"),
  policy: layer("core engine nn data", "worldmodel env"),
  transfer: layer("core engine nn data", "tokenizer worldmodel"),
  agents: layer("core data", "env policy reason"),
  bridge: layer("core data", "env policy"),
  experiment: layer("core data", "", [
    "registry.ts",
    "runner.ts",
    "training-loop.ts",
    "loop/",
    "worldmodel-report/",
    "driving/",
    "finetune/",
    "arm/",
    "ppo/",
  ]),
  dashboard: layer("core data experiment", "env"),
  cli: layer("", "", [""]),
  ".": layer("", "", [""]),
};

/** A package's name, or its scope with a final slash or dash, and the only folders that may import it. */
export const doors: Readonly<Record<string, readonly string[]>> = {
  "@tensorflow/": ["engine"],
  "onnxruntime-": ["engine"],
  ws: ["bridge", "dashboard"],
  msgpackr: ["bridge", "data"],
  rxjs: ["agents", "bridge", "experiment", "dashboard"],
  sharp: ["data", "bridge"],
  gifenc: ["data"],
  "h264-mp4-encoder": ["data"],
  hyparquet: ["data"],
  "hyparquet-": ["data"],
  commander: ["cli", "."],
  yaml: ["experiment"],
  "@nats-io/": ["experiment"],
};
