/** @file Explains configs: every field with its value, place, type, default and meaning, and the JSON Schema of whole files. */

import { z } from "zod";
import { unknownName } from "../../core/errors.ts";
import { fieldText, flattenConfig } from "./config-diff.ts";
import { configJsonSchema, describeConfig } from "./config-schema.ts";
import type { ConfigSource } from "./config-source.ts";
import type { Experiments } from "../experiment.ts";
import { sweepSchema } from "../sweep/sweep-plan.ts";

/** One field as `reverie config explain` shows it. */
export interface ExplainedField {
  readonly path: string;
  readonly type: string;
  readonly default: string | undefined;
  readonly description: string;
  /** The config's value and where it was written; undefined when no config was given. */
  readonly value?: { readonly text: string; readonly place: string | undefined };
}

/** Does the written path `policy.layers.0.size` belong to the field `policy.layers.*.size`? */
function matches(field: string, written: string): boolean {
  const [a, b] = [field.split("."), written.split(".")];
  return a.length === b.length && a.every((part, i) => part === "*" || part === b[i]);
}

/**
 * Fields of a schema, with the values of `config` where one is given.
 * @param under only the field of this dotted path and those beneath it
 * @throws UNKNOWN_NAME with the nearest field when there is none
 */
export function explainConfig(
  schema: z.ZodType,
  under?: string,
  given?: { readonly config: unknown; readonly source: ConfigSource },
): ExplainedField[] {
  const all = describeConfig(schema);
  const fields = all.filter(
    ({ path }) =>
      under === undefined || path === under || path.startsWith(`${under}.`) || matches(path, under),
  );
  if (fields.length === 0)
    throw unknownName("field", under ?? "", [...new Set(all.flatMap(({ path }) => prefixes(path)))]);
  if (given === undefined) return fields;
  const values = [...flattenConfig(given.config)];
  return fields.map((field) => {
    const own = values.filter(([path]) => matches(field.path, path));
    const [first] = own;
    const written = first !== undefined && isWritten(given.source, first[0]);
    const text = own.map(([, value]) => fieldText(value)).join(", ");
    const place = written ? given.source.locate(first[0].split(".")) : undefined;
    return { ...field, value: { text: own.length === 0 ? "none" : text, place } };
  });
}

function prefixes(path: string): string[] {
  const parts = path.split(".");
  return parts.map((_, i) => parts.slice(0, i + 1).join("."));
}

function isWritten({ values }: ConfigSource, path: string): boolean {
  let node: unknown = values;
  for (const part of path.split(".")) {
    if (typeof node !== "object" || node === null || !(part in node)) return false;
    node = (node as Record<string, unknown>)[part];
  }
  return true;
}

/** The fields as text: one line for the value, one for the meaning. */
export function explainText(fields: readonly ExplainedField[]): string {
  return fields
    .map(({ path, type, default: fallback, description, value }) => {
      const by = fallback === undefined ? "required" : `default ${fallback}`;
      const head =
        value === undefined
          ? path
          : `${path}: ${value.text}${value.place === undefined ? "" : `  (${value.place})`}`;
      return `${head}\n    ${description === "" ? "" : `${description}. `}${type}, ${by}`;
    })
    .join("\n");
}

/** JSON Schema of config files of one experiment, or of all; `sweep` and `extends` included. */
export function fileJsonSchema(experiments: Experiments): Record<string, unknown> {
  const schemas = Object.entries(experiments).map(([name, { title, schema }]) => {
    const json = configJsonSchema(schema);
    const sweep = z.toJSONSchema(sweepSchema, { io: "input" });
    delete sweep.$schema;
    const described = { description: "Run this file once per combination", ...sweep };
    const properties = { ...(json.properties as object), experiment: { const: name }, sweep: described };
    return { title, ...json, properties };
  });
  return schemas.length === 1
    ? schemas[0]
    : { $schema: "https://json-schema.org/draft/2020-12/schema", anyOf: schemas.map(({ ...one }) => one) };
}
