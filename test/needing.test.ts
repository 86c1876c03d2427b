/** @file CI installs everything that any test needs. */

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { expect, it } from "vitest";
import { chromium, ffmpeg, natsServer, pythonWith } from "./needing.ts";

it("finds every package that a test names in the list of .ci/run", () => {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const tests = readdirSync(here, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const pythons = tests.flatMap((name) =>
    [...readFileSync(join(here, name), "utf8").matchAll(/pythonWith\(("[^)]*")\)/g)].map(([, modules]) =>
      pythonWith(...(JSON.parse(`[${modules}]`) as string[])),
    ),
  );
  const [, listed] = /^packages=\((.*)\)$/m.exec(readFileSync(join(here, "../.ci/run"), "utf8")) ?? [];
  const wanted = [chromium, ffmpeg, natsServer, ...pythons].flatMap(({ packages }) => packages);
  expect(listed.split(" ")).toEqual(expect.arrayContaining(wanted));
});
