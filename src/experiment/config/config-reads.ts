/** @file Watches which fields of a config are read, so that a field that nobody reads is found. */

import type { z } from "zod";
import { fail } from "../../core/errors.ts";
import { describeConfig, runFields } from "./config-schema.ts";

/** A config whose reading is watched. */
export interface WatchedConfig<C> {
  /** The same values; the reads of its fields are noted. It cannot be sent to a worker or cloned. */
  readonly config: C;
  /** Dotted paths of the schema's fields that were not read so far; `*` stands for any index or key. */
  unread(): string[];
}

function watch(value: unknown, path: string, seen: Set<string>): unknown {
  if (typeof value !== "object" || value === null) return value;
  const made = new Map<string, unknown>();
  return new Proxy(value, {
    get(target, key, receiver) {
      const inner: unknown = Reflect.get(target, key, receiver);
      if (typeof key === "symbol" || typeof inner === "function") return inner;
      const part = Array.isArray(target) ? (/^\d+$/.test(key) ? "*" : undefined) : key;
      if (part === undefined) return inner;
      const name = path === "" ? part : `${path}.${part}`;
      seen.add(name);
      if (typeof inner !== "object" || inner === null) return inner;
      // The same object every time: whoever compares by identity must not notice.
      if (!made.has(key)) made.set(key, watch(inner, name, seen));
      return made.get(key);
    },
  });
}

/**
 * Watch the reads of `config`. Spreading or printing a group reads all of its fields: the check can miss a field, it
 * does not invent one.
 * @param schema the config's schema, whose fields are looked for
 */
export function watchReads<C extends object>(config: C, schema: z.ZodType): WatchedConfig<C> {
  const seen = new Set<string>();
  const taken = new Set(Object.keys(runFields));
  return {
    config: watch(config, "", seen) as C,
    unread: () =>
      describeConfig(schema)
        .map(({ path }) => path)
        // Of a union's variants only the chosen one can be read; a list is read by its length or its items alike.
        .filter((path) => !path.includes("<") && !taken.has(path) && !seen.has(path)),
  };
}

/** @throws INVALID_CONFIG naming every field that no stage of the run has read */
export function requireRead(watched: WatchedConfig<unknown>): void {
  const unread = watched.unread();
  if (unread.length === 0) return;
  fail({
    code: "INVALID_CONFIG",
    what: `nothing in this run reads ${unread.map((path) => `"${path}"`).join(", ")}`,
    expected: "every field of the config to have an effect",
    fix: "use the field, remove it from the schema, or give its group a variant of its own",
  });
}
