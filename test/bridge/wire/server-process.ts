/** @file A policy server and an env server in a process of their own; prints their URLs. Arguments: two ports. */

import { openEnvServer } from "../../../src/bridge/env-server.ts";
import { openInference } from "../../../src/bridge/inference-host.ts";
import { openPolicyServer } from "../../../src/bridge/policy-server.ts";
import { makeEnv } from "./counter-env.ts";

const [policyPort, envPort] = process.argv.slice(2).map(Number);
const module = new URL("./echo-policy.ts", import.meta.url).href;
const inference = await openInference({ module });
const policy = await openPolicyServer({ port: policyPort, inference, modelId: "m", handleSignals: true });
const env = await openEnvServer({ port: envPort, make: makeEnv, modelId: "m", handleSignals: true });
console.log(JSON.stringify({ policy: policy.url, env: env.url }));
