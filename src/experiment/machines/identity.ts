/** @file Which program this process runs: its version, and a hash of its code, so that machines with another one are refused. */

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../../core/errors.ts";
import { describeSession } from "../records/provenance.ts";

/** What must be the same on every machine of one piece of work. */
export interface Identity {
  readonly reverie: string;
  /** First 16 hex digits of a SHA-256 over the package's code, whatever it is called and wherever it lies. */
  readonly code: string;
}

const codeFolder = fileURLToPath(new URL("../..", import.meta.url));

function codeHash(): string {
  const names = readdirSync(codeFolder, { recursive: true, encoding: "utf8" }).filter(
    (name) => /\.[cm]?[jt]s$/.test(name) && !name.endsWith(".d.ts"),
  );
  const hash = createHash("sha256");
  for (const name of names.sort()) {
    // A checkout on Windows may have other line ends.
    const text = readFileSync(join(codeFolder, name), "utf8").replaceAll("\r\n", "\n");
    hash.update(`${name.split(sep).join("/")}\n${text}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

/** The identity of this process. */
export function readIdentity(): Identity {
  return { reverie: describeSession([]).reverie, code: codeHash() };
}

const told = ({ reverie, code }: Identity): string => `reverie ${reverie}, code ${code}`;

/** @throws VERSION_MISMATCH when `mine` is not the program that `work` was started with */
export function requireSame(mine: Identity, theirs: Identity, work: string): void {
  if (mine.reverie === theirs.reverie && mine.code === theirs.code) return;
  fail({
    code: "VERSION_MISMATCH",
    what: `this machine runs another program than ${work} was started with`,
    expected: told(theirs),
    got: told(mine),
    fix: "check out the same commit without changes (or install the same package) here, then start the worker again",
  });
}
