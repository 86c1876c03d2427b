/** @file `npm pack` gives a package whose types and exports resolve in a fresh project; in CI only, for it builds everything. */

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const top = fileURLToPath(new URL("../..", import.meta.url));
const modules = join(top, "node_modules");
const tsc = join(modules, "typescript", "bin", "tsc");
const node = (...args: readonly string[]) => execFileSync(process.execPath, args, { encoding: "utf8" });

/** Build into `folder`, as `npm run build` does, and pack what lies there; gives back the tarball's path. */
function pack(folder: string): string {
  const { files } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as { files: string[] };
  node(tsc, "-p", join(top, "tsconfig.build.json"), "--outDir", join(folder, "dist"));
  for (const name of ["package.json", ...files.filter((file) => file !== "dist")])
    cpSync(join(top, name), join(folder, name), { recursive: true });
  const options = { cwd: folder, encoding: "utf8", shell: process.platform === "win32" } as const;
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--offline"], options),
  ) as [{ filename: string }];
  return join(folder, packed.filename);
}

/** A project with the package and what npm would install beside it: its dependencies, TypeScript and Node's types. */
function install(tarball: string, project: string): void {
  const home = join(project, "node_modules", "reverie");
  mkdirSync(home, { recursive: true });
  execFileSync("tar", ["xzf", tarball, "-C", home, "--strip-components", "1"]);
  const { dependencies } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    const link = join(project, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(modules, name), link, "junction");
  }
  cpSync(fileURLToPath(new URL("./project/main.ts.txt", import.meta.url)), join(project, "main.ts"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
  const resolution = { target: "ES2022", lib: ["ES2023"], module: "NodeNext", moduleResolution: "NodeNext" };
  const compilerOptions = {
    ...resolution,
    strict: true,
    types: ["node"],
    outDir: "out",
    skipLibCheck: false,
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
}

test.runIf(process.env.REVERIE_CI === "1")(
  "a fresh project type-checks and runs against the packed package (REVERIE_CI=1)",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "reverie-pack-"));
    try {
      const project = join(folder, "project");
      install(pack(folder), project);
      // Declarations are checked too; what tfjs's own lack (the DOM) is not ours.
      const { stdout } = spawnSync(process.execPath, [tsc, "-p", project, "--pretty", "false"], {
        cwd: project,
        encoding: "utf8",
      });
      const ours = stdout.split("\n").filter((line) => /^(main\.ts|node_modules\/reverie\/)/.test(line));
      expect(ours).toEqual([]);
      expect(JSON.parse(node(join(project, "out", "main.js")))).toEqual({
        numbers: 4,
        rewards: [1, 1, 1, 1],
        doubled: [2, 4],
        contains: true,
        server: "function",
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  600_000,
);
