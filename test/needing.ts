/** @file Tests that need a program of the machine: skipped, and said so, where it is absent; failing where CI promised it. */

import { spawnSync } from "node:child_process";
import { describe, it } from "vitest";

/** Something that the npm registry does not bring. */
export interface Need {
  readonly name: string;
  /** A command that ends with status 0 where it is there. */
  readonly probe: readonly [string, ...string[]];
  /** Debian packages that bring it; `.ci/run` installs them. */
  readonly packages: string;
}

/** A Python module. */
export function pythonModule(name: string, packages = `python3-${name}`): Need {
  return { name: `python3 with ${name}`, probe: ["python3", "-c", `import ${name}`], packages };
}

export const ffmpeg: Need = { name: "ffmpeg", probe: ["ffprobe", "-version"], packages: "ffmpeg" };
export const chromium: Need = { name: "chromium", probe: ["chromium", "--version"], packages: "chromium" };

/**
 * `describe` for tests that need something.
 *
 * REVERIE_CI=1 says that everything is there: a missing part is a failure then, so that CI cannot pass by skipping.
 */
export function describeNeeding(need: Need, name: string, body: () => void): void {
  const [command, ...args] = need.probe;
  if (spawnSync(command, args, { stdio: "ignore" }).status === 0) {
    describe(name, body);
  } else if (process.env.REVERIE_CI === "1") {
    it(`${name}: finds ${need.name}`, () => {
      throw new Error(
        `${need.name} is missing (Debian: apt-get install ${need.packages}), and REVERIE_CI=1 wants it`,
      );
    });
  } else {
    describe.skip(`${name} (needs ${need.name}: apt-get install ${need.packages})`, body);
  }
}
