/** @file Tests that need a program of the machine: skipped, and said so, where it is absent; failing where CI promised it. */

import { spawnSync } from "node:child_process";
import { describe, it } from "vitest";

/** Something that the npm registry does not bring. */
export interface Need {
  readonly name: string;
  /** The command to run. */
  readonly program: string;
  /** Arguments with which it ends with status 0 where everything is there. */
  readonly probe: readonly string[];
  /** Debian packages that bring it; `.ci/run` installs them. */
  readonly packages: readonly string[];
}

const works = (program: string, probe: readonly string[]): boolean =>
  spawnSync(program, probe, { stdio: "ignore" }).status === 0;

/** A Python that imports `modules`: the first in the PATH, or else Debian's own, for which its packages are. */
export function pythonWith(...modules: readonly string[]): Need {
  const probe = ["-c", `import ${modules.join(", ")}`];
  const program = ["python3", "/usr/bin/python3"].find((candidate) => works(candidate, probe)) ?? "python3";
  const packages = modules.map((module) => `python3-${module}`);
  return { name: `python3 with ${modules.join(", ")}`, program, probe, packages };
}

export const ffmpeg: Need = { name: "ffmpeg", program: "ffmpeg", probe: ["-version"], packages: ["ffmpeg"] };
export const chromium: Need = {
  name: "chromium",
  program: "chromium",
  probe: ["--version"],
  packages: ["chromium"],
};

export const openssl: Need = {
  name: "openssl",
  program: "openssl",
  probe: ["version"],
  packages: ["openssl"],
};

export const natsServer: Need = {
  name: "nats-server",
  // Debian keeps it where an ordinary user's PATH does not look.
  program:
    ["nats-server", "/usr/sbin/nats-server"].find((name) => works(name, ["--version"])) ?? "nats-server",
  probe: ["--version"],
  packages: ["nats-server"],
};

/**
 * `describe` for tests that need something.
 *
 * REVERIE_CI=1 says that everything is there: a missing part is a failure then, so that CI cannot pass by skipping.
 */
export function describeNeeding(need: Need, name: string, body: () => void): void {
  const install = `apt-get install ${need.packages.join(" ")}`;
  if (works(need.program, need.probe)) {
    describe(name, body);
  } else if (process.env.REVERIE_CI === "1") {
    it(`${name}: finds ${need.name}`, () => {
      throw new Error(`${need.name} is missing (Debian: ${install}), and REVERIE_CI=1 wants it`);
    });
  } else {
    describe.skip(`${name} (needs ${need.name}: ${install})`, body);
  }
}
