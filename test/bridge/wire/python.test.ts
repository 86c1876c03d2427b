/**
 * @file The Python package against our servers, with every Python that can run it: everywhere the laws of Gymnasium's
 * check_env as `clients/python/tests/check_env.py` says them, and Gymnasium's own where it is installed.
 */

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
const hasGymnasium = (python: string): boolean =>
  spawnSync(python, ["-c", "import gymnasium"], { stdio: "ignore" }).status === 0;

/** Run tests of the package against servers of ours. */
async function runTests(python: string, ...names: readonly string[]): Promise<void> {
  const token = "a-token";
  const policy = await openPolicyServer({ port: 0, token, inference: localInference(makePolicy()) });
  cleanups.push(() => policy.close());
  const env = await openEnvServer({ port: 0, token, make: makeEnv });
  cleanups.push(() => env.close());
  const urls = { REVERIE_ENV_URL: env.url, REVERIE_POLICY_URL: policy.url, REVERIE_TOKEN: token };
  const strict = ["-W", "error::DeprecationWarning:reverie_client", "-m", "unittest", "-v"];
  const { code, output } = await run(python, [...strict, ...names], urls);
  expect(code, output).toBe(0);
  if (process.env.VERBOSE !== undefined) console.log(output);
}

describe("clients/python", () => {
  it.skipIf(found.length > 0)(
    "needs a Python with numpy, msgpack and websockets: none found, not tested",
    () => undefined,
  );

  it.each(found)(
    "passes its tests under %s, the laws of check_env among them",
    (python) => runTests(python, "tests.test_client"),
    120_000,
  );

  for (const python of found) {
    const missing = !hasGymnasium(python);
    const why = missing ? " (needs its module gymnasium, which Debian 12 has no package of)" : "";
    it.skipIf(missing)(
      `is a gymnasium.Env and VectorEnv that passes Gymnasium's own check_env, under ${python}${why}`,
      () =>
        runTests(
          python,
          "tests.test_client.Single.test_passes_gymnasiums_check_env",
          "tests.test_client.Vector.test_is_a_gymnasium_vector_env",
        ),
      60_000,
    );
  }
});
