/** @file The servers of the benchmark, in a process of their own: a bare echo, policy servers, an env server. */

import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { encode } from "../../src/bridge/codec.ts";
import { openEnvServer } from "../../src/bridge/env-server.ts";
import { openInference } from "../../src/bridge/inference-host.ts";
import { localInference } from "../../src/bridge/inference.ts";
import { openPolicyServer } from "../../src/bridge/policy-server.ts";
import { zeros } from "../../src/core/ndarray.ts";
import { makePolicy } from "./chunk-policy.ts";
import { makePictureEnv } from "./picture-env.ts";

const replies: Readonly<Record<string, Buffer>> = {
  "/actions": encode({ actions: zeros("float32", [50, 7]) }),
  "/batch": encode({ observations: zeros("uint8", [64, 64, 64, 3]) }),
};
const echo = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
echo.on("connection", (socket, request) => {
  const reply = replies[request.url ?? ""];
  socket.on("message", () => socket.send(reply));
});

const inference = await openInference({ module: new URL("./chunk-policy.ts", import.meta.url).href });
const worker = await openPolicyServer({ port: 0, inference });
const local = await openPolicyServer({ port: 0, inference: localInference(makePolicy()) });
const envs = await openEnvServer({
  port: 0,
  make: ({ numEnvs, kwargs }) => makePictureEnv(numEnvs, (kwargs.side as number | undefined) ?? 64),
});
const urls = {
  echo: `ws://127.0.0.1:${(echo.address() as AddressInfo).port}`,
  worker: worker.url,
  local: local.url,
  env: envs.url,
};
process.send?.(urls);
