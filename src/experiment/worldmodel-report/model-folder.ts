/** @file A world model of any kind from a folder: its checkpoint, told by what the files say, and the tokenizer it was trained with. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fail } from "../../core/errors.ts";
import { ndarray, type NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import { loadCheckpoint } from "../../nn/checkpoint.ts";
import { loadContinuousTokenizer } from "../../tokenizer/continuous.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { loadDiscreteTokenizer } from "../../tokenizer/video.ts";
import { loadAutoregressiveModel } from "../../worldmodel/autoregressive/autoregressive-checkpoint.ts";
import { loadCausalFlowModel } from "../../worldmodel/causal-flow/causal-flow-model.ts";
import type { CausalFlowConfig } from "../../worldmodel/causal-flow/causal-flow.ts";
import { loadLatentModel } from "../../worldmodel/latent/checkpoint.ts";
import type { EncodedWorldModel } from "../../worldmodel/worldmodel.ts";

/** A loaded model and what encodes recordings for it. */
export interface OpenedModel {
  readonly model: EncodedWorldModel;
  /** As the checkpoint says. */
  readonly kind: string;
  readonly file: string;
  readonly tokenizerFile: string;
  /** Frames uint8 [T, H, W, 3] to what the model's replay holds of them: float32 [T, width]. */
  readonly encoder: Pick<Tokenizer, "encode">;
}

/** How the checkpoint is loaded. */
export interface OpenOptions {
  /** How an ensemble's termination probabilities are joined. */
  readonly termination?: "mean" | "max";
  /** Passes per imagined frame of a causal flow: 1, 2 or 4; its own number unless given. */
  readonly samplingSteps?: CausalFlowConfig["samplingSteps"];
}

type Loaded = Pick<OpenedModel, "model" | "encoder">;

function withContinuous(tokenizerFile: string, load: (tokenizer: Tokenizer) => EncodedWorldModel): Loaded {
  const tokenizer = loadContinuousTokenizer(tokenizerFile, Rng.fromSeed(0));
  return { model: load(tokenizer), encoder: tokenizer };
}

/** Ids of single frames as numbers. */
function withDiscrete(file: string, tokenizerFile: string): Loaded {
  const tokenizer = loadDiscreteTokenizer(tokenizerFile);
  const encode = async (frames: NdArray<"uint8">): Promise<NdArray<"float32">> => {
    const [count, ...image] = frames.shape;
    const ids = await tokenizer.tokenize({ ...frames, shape: [count, 1, ...image] });
    return ndarray("float32", [count, tokenizer.tokens], Float32Array.from(ids.data));
  };
  return { model: loadAutoregressiveModel(file, tokenizer), encoder: { encode } };
}

/** How each kind of checkpoint is loaded. */
const loaders: Readonly<Record<string, (file: string, tokenizer: string, options: OpenOptions) => Loaded>> = {
  "latent-world-model": (file, tokenizer, options) =>
    withContinuous(tokenizer, (loaded) => loadLatentModel(file, loaded, options)),
  "causal-flow-world-model": (file, tokenizer, { samplingSteps }) =>
    withContinuous(tokenizer, (loaded) => loadCausalFlowModel(file, loaded, { samplingSteps })),
  "autoregressive-world-model": withDiscrete,
};

interface Found {
  readonly file: string;
  readonly kind: string;
  readonly hash: string;
  readonly tokenizerHash: string;
}

function checkpointsOf(folder: string): Found[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  return names.toSorted().map((name) => {
    const { meta, hash } = loadCheckpoint(join(folder, name));
    return {
      file: join(folder, name),
      kind: String(meta.kind),
      hash,
      tokenizerHash: String(meta.tokenizerHash),
    };
  });
}

function onlyModel(found: readonly Found[], path: string): Found {
  const wanted = path.endsWith(".safetensors") ? found.filter(({ file }) => file === path) : found;
  const models = wanted.filter(({ kind }) => kind in loaders);
  if (models.length === 1) return models[0];
  return fail({
    code: "INVALID_ARGUMENT",
    what: models.length === 0 ? `${path} holds no world model` : `${path} holds several world models`,
    expected: `one checkpoint of ${Object.keys(loaders).join(", ")}`,
    got: (models.length === 0 ? wanted : models)
      .map(({ file, kind }) => `${basename(file)} (${kind})`)
      .join(", "),
    fix: models.length === 0 ? "give the folder of a checkpoint" : "give the path of one of the files",
  });
}

/**
 * Open the world model of a folder, or of a file with its tokenizer beside it.
 * @throws IO_FAILED, CORRUPT_FILE; INVALID_ARGUMENT for no model or several; CHECKPOINT_MISMATCH without its tokenizer
 */
export function openModelFolder(path: string, options: OpenOptions = {}): OpenedModel {
  if (!existsSync(path))
    fail({ code: "IO_FAILED", what: `there is no ${path}`, fix: "give a run or a folder of checkpoints" });
  const found = checkpointsOf(statSync(path).isDirectory() ? path : dirname(path));
  const { file, kind, tokenizerHash } = onlyModel(found, path);
  const tokenizer = found.find(({ hash }) => hash === tokenizerHash);
  if (tokenizer === undefined) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `the tokenizer of ${file} is not beside it`,
      expected: `a checkpoint with hash ${tokenizerHash.slice(0, 12)}`,
      got: found.map((each) => `${basename(each.file)} ${each.hash.slice(0, 12)}`).join(", "),
      fix: "copy the tokenizer that this model was trained with into the folder",
    });
  }
  if (options.samplingSteps !== undefined && kind !== "causal-flow-world-model") {
    fail({
      code: "NOT_SUPPORTED",
      what: `${file} has no sampling steps to choose`,
      expected: "a causal-flow-world-model",
      got: kind,
      fix: "leave the number of sampling steps away",
    });
  }
  return { kind, file, tokenizerFile: tokenizer.file, ...loaders[kind](file, tokenizer.file, options) };
}
