/**
 * @file Fine-tuning and text to video, trained and measured on driving data.
 *
 * `npm run bench:video2world -- base`: the pretrained tokenizer and world model that the others begin with.
 * `… -- domains`: episodes to tune it on, and an untrained model to compare with; then `reverie finetune` as docs/worldmodel.md has it.
 * `… -- clips`, then `… -- text --steps 1500 [--minutes M]` (again and again, it goes on), then `… -- probe`: text to video.
 * Common: `--folder DIR --frames N --steps N`.
 */

import { parseArgs } from "node:util";
import { unknownName } from "../src/core/errors.ts";
import { ensureBase, recordDomains, saveScratch } from "./video2world/base.ts";
import { measureText } from "./video2world/probe.ts";
import { ensureClips, trainText } from "./video2world/text.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: "string", default: "runs/video2world" },
    frames: { type: "string", default: "16000" },
    steps: { type: "string", default: "600" },
    minutes: { type: "string", default: "5" },
    prompts: { type: "string", default: "100" },
  },
});

const commands: Readonly<Record<string, () => Promise<void>>> = {
  base: () => ensureBase(values.folder, { frames: Number(values.frames), steps: Number(values.steps) }),
  async domains() {
    await recordDomains(values.folder, Number(values.frames) / 4);
    await saveScratch(values.folder);
  },
  clips: () => ensureClips(values.folder),
  text: () => trainText(values.folder, { steps: Number(values.steps), minutes: Number(values.minutes) }),
  probe: () => measureText(values.folder, { prompts: Number(values.prompts), steps: 8 }),
};
const [what = "base"] = positionals;
if (!(what in commands)) throw unknownName("measurement", what, Object.keys(commands));
await commands[what]();
