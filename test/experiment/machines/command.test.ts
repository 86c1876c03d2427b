/** @file `reverie worker` and `--workers` on the command line: what is refused, with which exit code. */

import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { exitCodes, main } from "../../../src/cli/program.ts";
import { runConfig } from "../../../src/experiment/sweep/sweep.ts";
import { fake } from "../fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "../folders.ts";

afterEach(() => vi.restoreAllMocks());

it.each([
  [["worker", "nats://127.0.0.1:1"], exitCodes.failed, /\[SERVER_UNREACHABLE\][^]*nats-server -js/],
  [["worker", "http://127.0.0.1:1"], exitCodes.usage, /\[INVALID_ARGUMENT\][^]*nats:\/\/host:4222/],
  [
    ["worker", "nats://secret@127.0.0.1:1"],
    exitCodes.failed,
    /no server for workers at nats:\/\/127\.0\.0\.1:1\n/,
  ],
])("%j ends with an error that says what to do, without the token", async (args, code, message) => {
  let told = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((told += text.toString()), true));
  expect(await main(args)).toBe(code);
  expect(told).toMatch(message);
  expect(told).not.toContain("secret");
});

it("a single run without actors is not shared, and nothing is begun", async () => {
  const yaml = join(folderOf({ "one.yaml": "experiment: fake\n" }), "one.yaml");
  const runDir = join(newFolder(), "run");
  const workers = "nats://127.0.0.1:1";
  const begun = () => runConfig(yaml, [], { experiments: { fake }, runDir, workers, output: quiet() });
  const error = await thrownBy(begun);
  expect(error.code).toBe("NOT_SUPPORTED");
  expect(error.message).toContain("sweep: { seeds: [0, 1, 2] }");
});
