/** @file Walks a zod schema: which keys a mapping may have, the table of all fields with defaults, and its JSON Schema. */

import { z } from "zod";
import type { FieldPath } from "./config-source.ts";
import { isRecord } from "./config-source.ts";

type AnySchema = z.core.$ZodType;

/** One field of a config, as documentation shows it. */
export interface ConfigField {
  /** Dotted; `*` stands for any key or index, `<kind=ppo>` for a variant. */
  readonly path: string;
  readonly type: string;
  /** YAML-like text of the default; undefined when the field is required. */
  readonly default: string | undefined;
  readonly description: string;
}

/** Fields that every experiment's config has. Spread them into its `z.strictObject({...})`. */
export const runFields = {
  experiment: z.string().describe("Which experiment this file configures"),
  name: z
    .string()
    .regex(/^[\w.-]+$/, "letters, digits, dot, dash and underscore only")
    .describe("Name of the run; the file's own name unless given"),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe("Seed of everything random in the run"),
};

/** What every validated config has. */
export interface RunFields {
  readonly experiment: string;
  readonly name: string;
  readonly seed: number;
}

/** A strict group of fields that takes all its defaults when it is left out. */
export function section<S extends z.ZodRawShape>(shape: S): z.ZodPrefault<z.ZodObject<S, z.core.$strict>> {
  return z.strictObject(shape).prefault({} as never);
}

function def(schema: AnySchema): Record<string, unknown> & { type: string } {
  return schema._zod.def as unknown as Record<string, unknown> & { type: string };
}

/** The schema beneath optional, default, nullable and the like. */
export function unwrap(schema: AnySchema): AnySchema {
  const { type, innerType, getter } = def(schema);
  if (type === "pipe") return unwrap(def(schema).in as AnySchema);
  if (type === "lazy") return unwrap((getter as () => AnySchema)());
  return innerType === undefined ? schema : unwrap(innerType as AnySchema);
}

/** The variants of a union that may describe `value`: by its discriminator where there is one. */
function variants(schema: AnySchema, value: unknown): AnySchema[] {
  const options = (def(schema).options as AnySchema[]).map(unwrap);
  const key = def(schema).discriminator as string | undefined;
  if (key === undefined || !isRecord(value)) return options;
  const chosen = options.filter(
    (option) => z.safeParse(shapeOf(option)[key] ?? z.never(), value[key]).success,
  );
  return chosen.length > 0 ? chosen : options;
}

function shapeOf(schema: AnySchema): Record<string, AnySchema> {
  return (def(schema).shape ?? {}) as Record<string, AnySchema>;
}

/** The keys a mapping under `schema` may have; undefined when any key is allowed or it is no mapping. */
export function knownKeys(schema: AnySchema, value: unknown): string[] | undefined {
  const inner = unwrap(schema);
  const { type, catchall } = def(inner);
  if (type === "object") {
    const open = catchall !== undefined && def(catchall as AnySchema).type !== "never";
    return open ? undefined : Object.keys(shapeOf(inner));
  }
  if (type !== "union") return undefined;
  const lists = variants(inner, value)
    .filter((v) => def(v).type === "object")
    .map((v) => knownKeys(v, value));
  if (lists.length === 0 || lists.some((list) => list === undefined)) return undefined;
  return [...new Set(lists.flatMap((list) => list ?? []))];
}

/** Schemas of the children of `value` under `schema`, by key or index. */
function childSchemas(schema: AnySchema, value: object): Map<string | number, AnySchema> {
  const inner = unwrap(schema);
  const { type, element, valueType } = def(inner);
  const keys = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value);
  const children = new Map<string | number, AnySchema>();
  if (type === "union") {
    for (const variant of variants(inner, value)) {
      for (const [key, child] of childSchemas(variant, value))
        if (!children.has(key)) children.set(key, child);
    }
    return children;
  }
  for (const key of keys) {
    const child = type === "array" ? element : type === "record" ? valueType : shapeOf(inner)[String(key)];
    if (child !== undefined) children.set(key, child as AnySchema);
  }
  return children;
}

/** A key that the schema does not know, and the keys that it knows there. */
export interface UnknownKey {
  readonly path: FieldPath;
  readonly known: readonly string[];
  /** What was written there. */
  readonly value: unknown;
}

/** Every key in `value` that `schema` does not know, strict or not. */
export function unknownKeys(schema: AnySchema, value: unknown, path: FieldPath = []): UnknownKey[] {
  if (typeof value !== "object" || value === null) return [];
  const known = knownKeys(schema, value);
  const found: UnknownKey[] = [];
  if (known !== undefined && isRecord(value)) {
    for (const key of Object.keys(value))
      if (!known.includes(key)) found.push({ path: [...path, key], known, value: value[key] });
  }
  for (const [key, child] of childSchemas(schema, value)) {
    found.push(...unknownKeys(child, (value as Record<string | number, unknown>)[key], [...path, key]));
  }
  return found;
}

/** Short name of a schema's type, with its bounds or choices: `integer >= 1`, `"cpu" | "cuda"`. */
function typeName(schema: AnySchema): string {
  const inner = unwrap(schema);
  const { type } = def(inner);
  if (type === "object") return "mapping";
  if (type === "array") return `list of ${typeName(def(inner).element as AnySchema)}`;
  if (type === "record") return `mapping to ${typeName(def(inner).valueType as AnySchema)}`;
  if (type === "union") return (def(inner).options as AnySchema[]).map(typeName).join(" | ");
  if (type === "enum")
    return Object.values(def(inner).entries as object)
      .map((v) => JSON.stringify(v))
      .join(" | ");
  if (type === "literal") return (def(inner).values as unknown[]).map((v) => JSON.stringify(v)).join(" | ");
  return type === "number" ? numberName(inner) : type;
}

function numberName(schema: AnySchema): string {
  const json = z.toJSONSchema(schema) as Readonly<Record<string, number | string | undefined>>;
  const bound = (key: string, sign: string): string[] => {
    const value = json[key];
    return value === undefined || Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER
      ? []
      : [`${sign} ${value}`];
  };
  const low = [...bound("minimum", ">="), ...bound("exclusiveMinimum", ">")];
  const high = [...bound("maximum", "<="), ...bound("exclusiveMaximum", "<")];
  return [String(json.type), ...low, ...high].join(" ");
}

function description(schema: AnySchema): string {
  for (let node: AnySchema | undefined = schema; node !== undefined;) {
    const text = z.globalRegistry.get(node)?.description;
    if (text !== undefined) return text;
    node = def(node).innerType as AnySchema | undefined;
  }
  return "";
}

function defaultOf(schema: AnySchema): string | undefined {
  const { type, defaultValue, innerType } = def(schema);
  if (type === "default" || type === "prefault") return JSON.stringify(defaultValue);
  if (type === "optional") return "none";
  return innerType === undefined ? undefined : defaultOf(innerType as AnySchema);
}

function fieldsOf(schema: AnySchema, path: string): ConfigField[] {
  const inner = unwrap(schema);
  const { type } = def(inner);
  const children = (prefix: string): ConfigField[] =>
    Object.entries(shapeOf(inner)).flatMap(([key, child]) =>
      fieldsOf(child, prefix === "" ? key : `${prefix}.${key}`),
    );
  if (type === "object") return children(path);
  const own = { path, type: typeName(schema), default: defaultOf(schema), description: description(schema) };
  if (type === "array" || type === "record") {
    const child = unwrap((type === "array" ? def(inner).element : def(inner).valueType) as AnySchema);
    return [own, ...(def(child).type === "object" ? fieldsOf(child, `${path}.*`) : [])];
  }
  const key = def(inner).discriminator as string | undefined;
  if (type !== "union" || key === undefined) return [own];
  const options = (def(inner).options as AnySchema[]).map(unwrap);
  return [
    own,
    ...options.flatMap((o) =>
      fieldsOf(o, `${path}<${key}=${typeName(shapeOf(o)[key]).replaceAll('"', "")}>`),
    ),
  ];
}

/** Every field of a config with its type, default and description. */
export function describeConfig(schema: z.ZodType): ConfigField[] {
  return fieldsOf(schema, "");
}

/** JSON Schema of the file as a user writes it (`extends` included), for completion in editors. */
export function configJsonSchema(schema: z.ZodType): Record<string, unknown> {
  const json = z.toJSONSchema(schema, { io: "input" }) as Record<string, unknown>;
  const extending = {
    description: "File or files, relative to this one, whose fields this one takes and overrides",
    anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
  };
  const required = (json.required as string[] | undefined)?.filter((key) => key === "experiment");
  return {
    ...json,
    properties: { extends: extending, ...(json.properties as object) },
    required: required ?? [],
  };
}
