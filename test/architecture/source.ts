/** @file What the architecture rules look at in one source file: its imports, its exports and its functions. */

import { parseAst } from "rolldown/parseAst";

/** An import or re-export, as written. */
export interface ImportEdge {
  readonly specifier: string;
  readonly line: number;
}

/** A function with a body. */
export interface FunctionFacts {
  readonly name: string;
  readonly line: number;
  /** From the first line of its text to the last. */
  readonly lines: number;
  /** Positional parameters; `this` is none. */
  readonly parameters: number;
}

/** What was found in a file. */
export interface SourceFacts {
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly ImportEdge[];
  readonly functions: readonly FunctionFacts[];
  /** Lines of default exports. */
  readonly defaultExports: readonly number[];
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

function literalOf(value: unknown): string | undefined {
  return isNode(value) && value.type === "Literal" && typeof value.value === "string"
    ? value.value
    : undefined;
}

/** The module that a node names: `import … from`, `export … from`, `import()`, `require()`, `import("…").Type`. */
function specifierOf(node: Node): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return literalOf(node.source);
    case "CallExpression":
      return isNode(node.callee) && node.callee.name === "require"
        ? literalOf((node.arguments as unknown[])[0])
        : undefined;
    default:
      return undefined;
  }
}

const functionTypes = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
const defaultTypes = new Set(["ExportDefaultDeclaration", "TSExportAssignment"]);

function nameOf(node: Node, parent: Node | undefined): string {
  const holder = [node.id, parent?.id, parent?.key].find(isNode);
  return typeof holder?.name === "string" ? holder.name : "(anonymous)";
}

function countParameters(node: Node): number {
  return (node.params as Node[]).filter((parameter) => parameter.name !== "this").length;
}

function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    const next = starts.findIndex((start) => start > offset);
    return next < 0 ? starts.length : next;
  };
}

function visit(
  node: Node,
  parent: Node | undefined,
  seen: (node: Node, parent: Node | undefined) => void,
): void {
  seen(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value])
      if (isNode(child)) visit(child, node, seen);
  }
}

/** Parse a TypeScript (or JavaScript) file. */
export function readSource(path: string, text: string): SourceFacts {
  const imports: ImportEdge[] = [];
  const functions: FunctionFacts[] = [];
  const defaultExports: number[] = [];
  const lineOf = lineCounter(text);
  visit(parseAst(text, { lang: "ts" }, path) as unknown as Node, undefined, (node, parent) => {
    const specifier = specifierOf(node);
    if (specifier !== undefined) imports.push({ specifier, line: lineOf(node.start) });
    if (defaultTypes.has(node.type)) defaultExports.push(lineOf(node.start));
    if (!functionTypes.has(node.type)) return;
    const line = lineOf(node.start);
    const lines = lineOf(node.end - 1) - line + 1;
    functions.push({ name: nameOf(node, parent), line, lines, parameters: countParameters(node) });
  });
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return { path, text, lines, imports, functions, defaultExports };
}
