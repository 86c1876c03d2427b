/** @file A process that writes a data set without end into the folder it is given, telling each episode, until it is killed. */

import { openLerobotWriter } from "../../../src/data/lerobot/writer.ts";
import { counterEpisode } from "./episodes.ts";

const writer = openLerobotWriter(process.argv[2], { fps: 10, dataFileMegabytes: 0.05 });
for (let i = 0; ; i++) {
  await writer.add(counterEpisode(`e${i}`, 50));
  console.log(`e${i}`);
}
