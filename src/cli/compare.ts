/** @file `reverie compare` and `reverie reproduce`. */

import { resolve } from "node:path";
import { compareFolders } from "../experiment/compare/comparing.ts";
import { reproduceRun } from "../experiment/reproduce.ts";
import { expandSweeps } from "../experiment/sweep/sweep.ts";

/** Options as the command line gives them. */
export interface CompareFlags {
  readonly html: string | false;
  readonly json?: string;
  readonly metric?: string;
  readonly goal?: "max" | "min";
  readonly methods?: string;
  readonly title?: string;
}

/** Compare runs and write the page. */
export async function compare(runs: readonly string[], flags: CompareFlags): Promise<void> {
  const { html, json, methods, ...rest } = flags;
  await compareFolders(expandSweeps(runs), {
    ...rest,
    methods: methods?.split(",").map((name) => name.trim()),
    html: html === false ? undefined : resolve(html),
    json: json === undefined ? undefined : resolve(json),
  });
}

/** Run again and compare the results. @throws NOT_REPRODUCED */
export async function reproduce(
  path: string,
  options: { readonly runDir?: string; readonly against?: string },
): Promise<void> {
  await reproduceRun(path, options);
}
