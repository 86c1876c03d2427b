/** @file A run's folder to and from a hub's objects: each file once by its hash, and a list of them. */

import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join, normalize, sep } from "node:path";
import { fail } from "../../core/errors.ts";
import { writeAtomically } from "../../core/storage.ts";
import type { Objects } from "./hub.ts";
import { packJson, unpackJson } from "./hub.ts";

interface PackedFile {
  /** Inside the folder, with forward slashes. */
  readonly path: string;
  readonly sha256: string;
}

/** The stage that a folder's state says it is at must not be ahead of its files, nor behind them: it is looked at twice. */
const stateFile = "state.json";
/** These grow while they are copied; a resumed run cuts them back to its checkpoint. So they are copied last. */
const growing = /(^|\/)(metrics\.jsonl|events\.out\.[^/]*)$/;
const ignored = /(^|\/)(run\.lock[^/]*|[^/]*\.tmp)$/;

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Size and time of every file that does not just grow; equal twice when nothing was written in between. */
function survey(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) =>
    name.split(sep).join("/"),
  );
  const seen = new Map<string, string>();
  for (const name of names.filter((one) => !ignored.test(one)).sort()) {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stat?.isFile()) seen.set(name, growing.test(name) ? "" : `${stat.size} ${stat.mtimeMs}`);
  }
  return seen;
}

const isSame = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([name, facts]) => b.get(name) === facts);

/** Puts folders into a hub; files that it has put before are not sent again. */
export class FolderPacker {
  readonly #objects: Objects;
  readonly #sent = new Set<string>();
  /** Hashes of files as they were at the last look, so that only changed ones are read. */
  readonly #known = new Map<string, { facts: string; sha256: string }>();

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  async #send(bytes: Uint8Array): Promise<string> {
    const name = sha256(bytes);
    if (!this.#sent.has(name) && !(await this.#objects.has(name))) await this.#objects.put(name, bytes);
    this.#sent.add(name);
    return name;
  }

  /** @returns name of the list; undefined when the folder is changing all the time. @throws TOO_LARGE */
  async pack(folder: string): Promise<string | undefined> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const before = survey(folder);
      const files = await this.#sendAll(folder, before);
      if (files !== undefined && isSame(before, survey(folder))) return this.#send(packJson({ files }));
    }
    return undefined;
  }

  async #sendAll(folder: string, seen: ReadonlyMap<string, string>): Promise<PackedFile[] | undefined> {
    const files: PackedFile[] = [];
    const late = (path: string): number => Number(growing.test(path));
    for (const [path, facts] of [...seen].toSorted(([a], [b]) => late(a) - late(b))) {
      const known = this.#known.get(path);
      if (facts !== "" && known?.facts === facts) {
        files.push({ path, sha256: known.sha256 });
        continue;
      }
      // Between two looks a file may go; then the second look differs too.
      if (!existsSync(join(folder, path))) return undefined;
      const file = { path, sha256: await this.#send(readFileSync(join(folder, path))) };
      this.#known.set(path, { facts, sha256: file.sha256 });
      files.push(file);
    }
    return files;
  }
}

async function bytesOf(objects: Objects, name: string): Promise<Uint8Array> {
  const bytes = await objects.get(name);
  if (bytes !== undefined && sha256(bytes) === name) return bytes;
  return fail({
    code: "CORRUPT_FILE",
    what: `object ${name} of the hub is ${bytes === undefined ? "missing" : "damaged"}`,
    expected: "the bytes with this SHA-256",
    fix: "start the sweep again in another folder",
  });
}

function requireInside(path: string): void {
  const plain = normalize(path);
  if (plain !== "" && !plain.startsWith("..") && !/^([/\\]|[A-Za-z]:)/.test(plain)) return;
  fail({ code: "PROTOCOL", what: `a worker sent a file outside of the run's folder`, got: path });
}

/** Write a packed folder; `state.json` comes last, so that the folder is done when everything is there. @throws CORRUPT_FILE, PROTOCOL */
export async function unpackFolder(objects: Objects, list: string, folder: string): Promise<void> {
  const { files } = unpackJson<{ files: PackedFile[] }>(await bytesOf(objects, list));
  const last = ({ path }: PackedFile): number => Number(path === stateFile);
  for (const { path, sha256: hash } of files.toSorted((a, b) => last(a) - last(b))) {
    requireInside(path);
    const file = join(folder, path);
    if (existsSync(file) && sha256(readFileSync(file)) === hash) continue;
    await writeAtomically(file, [await bytesOf(objects, hash)]);
  }
}
