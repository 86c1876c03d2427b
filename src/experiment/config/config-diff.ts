/** @file Configs side by side: every field by its dotted path, and those in which several configs differ. */

import { isRecord } from "./config-source.ts";

/** Values by dotted path; lists of plain values stay whole. */
export function flattenConfig(config: unknown, path = ""): Map<string, unknown> {
  const whole = !isRecord(config) && !(Array.isArray(config) && config.some(isRecord));
  if (whole) return new Map([[path, config]]);
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(config as object)) {
    const inner = path === "" ? key : `${path}.${key}`;
    for (const [name, leaf] of flattenConfig(value, inner)) flat.set(name, leaf);
  }
  return flat;
}

/** A field as one line of text; `none` where a config lacks it. */
export function fieldText(value: unknown): string {
  if (value === undefined) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** One field in which configs differ, with every config's value of it. */
export interface FieldDifference {
  readonly path: string;
  readonly values: readonly string[];
}

/** Fields in which the configs are not all equal, in the order of the first config that has them. */
export function configDifferences(configs: readonly unknown[]): FieldDifference[] {
  const flat = configs.map((config) => flattenConfig(config));
  const paths = [...new Set(flat.flatMap((fields) => [...fields.keys()]))];
  return paths
    .map((path) => ({ path, values: flat.map((fields) => fieldText(fields.get(path))) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}
