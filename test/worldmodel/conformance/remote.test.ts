/** @file A world model on a server keeps the contract, over real HTTP. */

import { afterAll } from "vitest";
import { ndarray } from "../../../src/core/ndarray.ts";
import { makeRemoteWorldModel } from "../../../src/worldmodel/remote.ts";
import { openNim, type ForwardServer } from "../../../src/worldmodel/remote/nim.ts";
import { openOmni } from "../../../src/worldmodel/remote/omni.ts";
import { actionSpec } from "../line-world.ts";
import { plainCodec, ToyServer } from "../remote-server.ts";
import { conformance, type Subject } from "./laws.ts";

const side = 4;
const dynamics = { domain: "av", actionSize: 1, prompt: "a car", rateHz: 10, pollMs: 1 };

/** A server that is there once it is called. */
function onDemand(open: (options: { url: string } & typeof dynamics) => ForwardServer): ForwardServer {
  const toy = new ToyServer();
  const opened = toy.open().then((url) => open({ url, ...dynamics }));
  afterAll(() => toy.close());
  return {
    kind: "nim",
    waitReady: async (options) => (await opened).waitReady(options),
    forward: async (request) => (await opened).forward(request),
  };
}

const remote = (open: Parameters<typeof onDemand>[0]) => (): Subject => ({
  model: makeRemoteWorldModel({
    server: onDemand(open),
    actionSpec,
    frameShape: [side, side, 3],
    codec: plainCodec,
    judge: (_before, _action, after) => ({ reward: after.data[0] / 255, terminated: after.data[0] / 510 }),
  }),
  frames: (batch, time) => {
    const data = Uint8Array.from(
      { length: batch * time * side * side * 3 },
      (_, i) => 90 + ((Math.floor(i / (side * side * 3)) * 7) % 40),
    );
    return ndarray("uint8", [batch, time, side, side, 3], data);
  },
  random: true,
});

conformance("a NIM's", remote(openNim));
conformance("vLLM-Omni's", remote(openOmni));
