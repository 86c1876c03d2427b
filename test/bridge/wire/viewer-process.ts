/** @file A viewer in a process of its own: prints, once a second and at the end, the age of every frame it got. */

import { openRemoteStream } from "../../../src/bridge/remote-stream.ts";

const [url] = process.argv.slice(2);
await openRemoteStream({
  url,
  channel: "camera",
  onMessage: ({ sent_ms, n }) => console.log(JSON.stringify({ n, ageMs: Date.now() - (sent_ms as number) })),
});
console.log(JSON.stringify({ ready: true }));
