/** @file A worker for the fake experiment in a process of its own, which a test can kill: fake-worker.ts <url>. */

import { openHub } from "../../../src/experiment/machines/open-hub.ts";
import { joinHub } from "../../../src/experiment/machines/worker.ts";
import { fake } from "../fake.ts";

const [url] = process.argv.slice(2);
const hub = await openHub(url);
await joinHub(hub, {
  experiments: { fake },
  identity: { reverie: "0", code: "test" },
  snapshotSeconds: 0.2,
});
await hub.close();
