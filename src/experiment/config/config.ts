/** @file Loads a config against its schema; a wrong key, type or value is refused with its dotted path, file, line and column. */

import { basename } from "node:path";
import type { z } from "zod";
import { fail, nearestName } from "../../core/errors.ts";
import { unknownKeys } from "./config-schema.ts";
import { unitOfKeyFix, unitOfValueFix } from "./config-units.ts";
import type { ConfigSource, FieldPath } from "./config-source.ts";
import { dotted, isRecord, kindOf, readConfig } from "./config-source.ts";

interface Problem {
  readonly path: FieldPath;
  readonly what: string;
  readonly expected?: string;
  readonly got?: string;
  readonly fix?: string;
}

/**
 * Read a YAML file (see `readConfig`), apply overrides, and check it. `name` defaults to the file's own name.
 * @returns the complete config, defaults filled in
 * @throws INVALID_CONFIG naming field, place, expected and got; IO_FAILED when a file cannot be read
 */
export function loadConfig<S extends z.ZodType>(
  schema: S,
  path: string,
  overrides: readonly string[] = [],
): z.output<S> {
  return parseConfig(schema, withName(readConfig(path, overrides), path));
}

/** `source` with `name` set to the file's own name unless it names itself. */
export function withName(source: ConfigSource, path: string): ConfigSource {
  const name = basename(path).replace(/\.ya?ml$/i, "");
  return { values: { ...source.values, name: source.values.name ?? name }, locate: source.locate };
}

/** Check values already read. @throws INVALID_CONFIG */
export function parseConfig<S extends z.ZodType>(schema: S, source: ConfigSource): z.output<S> {
  const unknown = unknownKeys(schema, source.values).map(({ path, known, value }) =>
    unknownKeyProblem(path, known, value),
  );
  const result = schema.safeParse(source.values, { reportInput: true });
  const issues = result.success
    ? []
    : result.error.issues.filter((issue) => issue.code !== "unrecognized_keys");
  const problems = [...unknown, ...issues.map((issue) => problemOf(issue))];
  if (problems.length > 0) refuse(problems, source);
  return result.data as z.output<S>;
}

function refuse(problems: readonly Problem[], source: ConfigSource): never {
  const [first, ...rest] = problems;
  const others = rest.map(
    (p) => `\n  also: ${source.locate(p.path)}: ${p.what}${p.got ? ` (got ${p.got})` : ""}`,
  );
  const what = `${source.locate(first.path)}: ${first.what}`;
  const fix = `${first.fix ?? "correct the field"}${others.join("")}`;
  return fail({ code: "INVALID_CONFIG", what, expected: first.expected, got: first.got, fix });
}

function unknownKeyProblem(path: FieldPath, known: readonly string[], value: unknown): Problem {
  const key = String(path[path.length - 1]);
  const near = nearestName(key, known);
  const nearest =
    near === undefined
      ? "remove it, or use a known key"
      : `did you mean "${dotted([...path.slice(0, -1), near])}"?`;
  return {
    path,
    what: `unknown key "${dotted(path)}"`,
    expected: `one of ${known.join(", ")}`,
    fix: unitOfKeyFix(key, value, known) ?? nearest,
  };
}

type Issue = z.core.$ZodIssue;

function problemOf(issue: Issue, at: FieldPath = []): Problem {
  const path = [...at, ...(issue.path as (string | number)[])];
  const field = path.length === 0 ? "the config" : `"${dotted(path)}"`;
  if (issue.code === "invalid_type") {
    const missing = issue.input === undefined;
    return {
      path,
      what: missing ? `${field} is missing` : `${field} has the wrong type`,
      expected: issue.expected === "object" ? "a mapping" : issue.expected,
      got: kindOf(issue.input),
      fix: missing ? `set ${field}` : unitOfValueFix(path, issue.input),
    };
  }
  if (issue.code === "invalid_value") return choiceProblem(path, issue.values.map(String), issue.input);
  if (issue.code === "invalid_union") return unionProblem(issue, path);
  // A rule about a whole mapping names the field that breaks it.
  const key = String(path[path.length - 1]);
  const input = issue.code === "custom" && isRecord(issue.input) ? issue.input[key] : issue.input;
  return {
    path,
    what: `${field} has a value that is not allowed`,
    expected: issue.message,
    got: kindOf(input),
  };
}

function choiceProblem(path: FieldPath, choices: readonly string[], input: unknown): Problem {
  const near = typeof input === "string" ? nearestName(input, choices) : undefined;
  return {
    path,
    what: `"${dotted(path)}" is none of its choices`,
    expected: `one of ${choices.join(", ")}`,
    got: kindOf(input),
    fix: near === undefined ? undefined : `did you mean "${near}"?`,
  };
}

function unionProblem(issue: Extract<Issue, { code: "invalid_union" }>, path: FieldPath): Problem {
  if (issue.errors.length === 0) {
    const input = (issue.input as Record<string, unknown> | undefined)?.[issue.discriminator ?? ""];
    return choiceProblem(path, (issue as { options?: unknown[] }).options?.map(String) ?? [], input);
  }
  const branches = issue.errors.map((errors) => problemOf(errors[0], path));
  const deepest = branches.reduce((best, p) => (p.path.length > best.path.length ? p : best));
  if (deepest.path.length > path.length) return deepest;
  const expected = branches.map((p) => p.expected).join(" or ");
  return { path, what: `"${dotted(path)}" fits none of its forms`, expected, got: kindOf(issue.input) };
}
