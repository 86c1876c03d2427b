/** @file A process that saves episodes into the folder it is given until it is killed, telling each that is safe. */

import { saveEpisode } from "../../src/data/episode-store.ts";
import { smallEpisode } from "./episodes.ts";

for (let i = 0; ; i++) {
  await saveEpisode(process.argv[2], smallEpisode(`e${i}`, 3000));
  console.log(`e${i}`);
}
