/** @file The Python package against our servers, with every Python that can run it; Gymnasium's checker where it is installed. */

import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { openEnvServer } from "../../../src/bridge/env-server.ts";
import { localInference } from "../../../src/bridge/inference.ts";
import { openPolicyServer } from "../../../src/bridge/policy-server.ts";
import { makeEnv } from "./counter-env.ts";
import { makePolicy } from "./echo-policy.ts";

const client = fileURLToPath(new URL("../../../clients/python", import.meta.url));
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Which of the usual Pythons have what the package needs; REVERIE_PYTHON names another. */
function pythons(): readonly string[] {
  const candidates = [process.env.REVERIE_PYTHON, "python3", "/usr/bin/python3"].filter(
    (name) => name !== undefined,
  );
  const needs = "import numpy, msgpack, websockets, sys; print(sys.executable)";
  const found = candidates.map((name) => spawnSync(name, ["-c", needs], { encoding: "utf8" }));
  return [...new Set(found.filter(({ status }) => status === 0).map(({ stdout }) => stdout.trim()))];
}

function run(
  python: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(python, args, {
    cwd: client,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

const found = pythons();

describe("clients/python", () => {
  it.skipIf(found.length > 0)(
    "needs a Python with numpy, msgpack and websockets: none found, not tested",
    () => undefined,
  );

  it.each(found)(
    "passes its tests, check_env among them where Gymnasium is installed, under %s",
    async (python) => {
      const token = "a-token";
      const inference = localInference(makePolicy());
      const policy = await openPolicyServer({ port: 0, token, inference });
      const env = await openEnvServer({ port: 0, token, make: makeEnv });
      cleanups.push(
        () => policy.close(),
        () => env.close(),
      );
      const urls = { REVERIE_ENV_URL: env.url, REVERIE_POLICY_URL: policy.url, REVERIE_TOKEN: token };
      const { code, output } = await run(
        python,
        ["-W", "error::DeprecationWarning:reverie_client", "-m", "unittest", "-v", "tests.test_client"],
        urls,
      );
      expect(code, output).toBe(0);
      if (process.env.VERBOSE !== undefined) console.log(output);
    },
    120_000,
  );
});
