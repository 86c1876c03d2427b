/** @file The lock file installs everywhere: every platform's optional binaries are in it, and nothing is unlocked. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Packages by their place, "" for this one. */
type Lock = Readonly<Record<string, LockedPackage>>;

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), "utf8"));
const { packages: lock } = read("package-lock.json") as { packages: Lock };
const manifest = read("package.json") as LockedPackage;

/** Where Node would find `name` from the package at `place`: there, or beside it, or further up. */
function find(locked: Lock, place: string, name: string): string | undefined {
  for (let folder = place; ;) {
    const candidate = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (candidate in locked) return candidate;
    if (folder === "") return undefined;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf("node_modules/") - 1));
  }
}

function checkLock(locked: Lock, { dependencies, devDependencies }: LockedPackage): string[] {
  const problems: string[] = [];
  for (const [place, entry] of Object.entries(locked)) {
    const wanted = { ...entry.dependencies, ...entry.optionalDependencies };
    for (const name of Object.keys(wanted)) {
      if (find(locked, place, name) === undefined)
        problems.push(`${place || "this package"} wants ${name}: not locked`);
    }
    if (place === "") continue;
    if (!entry.integrity?.startsWith("sha512-")) problems.push(`${place}: no integrity`);
    const { resolved } = entry;
    if (resolved !== undefined && !resolved.startsWith("https://registry.npmjs.org/")) {
      problems.push(`${place}: from ${resolved}`);
    }
  }
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    const locks = locked[`node_modules/${name}`]?.version ?? "nothing";
    if (!(locks === version || locks.startsWith(`${version}.`)))
      problems.push(`${name}: ${version} asked, ${locks} locked`);
  }
  return problems;
}

describe("package-lock.json", () => {
  it("holds every dependency of every platform, with its hash, from npm's registry", () => {
    expect(checkLock(lock, manifest)).toEqual([]);
  });

  it("names the binaries of Linux, macOS and Windows", () => {
    const places = Object.keys(lock);
    for (const family of [
      /^node_modules\/@img\/sharp-/,
      /^node_modules\/@esbuild\//,
      /^node_modules\/@oxlint\/binding-/,
    ]) {
      for (const platform of ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"]) {
        expect(places.filter((place) => family.test(place) && place.includes(platform))).not.toEqual([]);
      }
    }
  });
});

describe("the check of the lock file", () => {
  const integrity = "sha512-x";
  const sound: Lock = {
    "": { dependencies: { a: "1.0.0" } },
    "node_modules/a": {
      version: "1.0.0",
      integrity,
      optionalDependencies: { "a-linux": "1.0.0", "a-darwin": "1.0.0" },
    },
    "node_modules/a-linux": { version: "1.0.0", integrity },
    "node_modules/a/node_modules/a-darwin": { version: "1.0.0", integrity, dependencies: { b: "2" } },
    "node_modules/b": { version: "2.1.0", integrity },
  };
  const asked = { dependencies: { a: "1.0.0" }, devDependencies: { b: "2" } };

  it("finds nothing in a sound one", () => {
    expect(checkLock(sound, asked)).toEqual([]);
  });

  it.each([
    [
      "a platform's binary that is missing",
      { "node_modules/a-linux": undefined },
      "node_modules/a wants a-linux: not locked",
    ],
    [
      "a nested dependency that is missing",
      { "node_modules/b": undefined },
      "node_modules/a/node_modules/a-darwin wants b: not locked",
    ],
    ["a package without a hash", { "node_modules/b": { version: "2.1.0" } }, "node_modules/b: no integrity"],
    [
      "a package from elsewhere",
      { "node_modules/b": { version: "2.1.0", integrity, resolved: "https://mirror.example/b.tgz" } },
      "node_modules/b: from https://mirror.example/b.tgz",
    ],
    [
      "a version that was not asked for",
      { "node_modules/b": { version: "3.0.0", integrity } },
      "b: 2 asked, 3.0.0 locked",
    ],
  ])("finds %s", (_, change, problem) => {
    const entries = Object.entries({ ...sound, ...change }).filter(([, entry]) => entry !== undefined);
    expect(checkLock(Object.fromEntries(entries) as Lock, asked)).toContain(problem);
  });
});
