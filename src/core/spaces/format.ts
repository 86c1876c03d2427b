/** @file Text of arrays and numbers as NumPy prints them, for the spaces' `repr`. */

import { kindOf } from "../dtypes.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { sizeOf } from "../ndarray.ts";

const LINE_WIDTH = 75;
const EDGE_ITEMS = 3;
const SUMMARY_THRESHOLD = 1000;
const PRECISION = 8;

/** Shortest decimal text that reads back as the same value of the dtype, in exponent form "d.ddde±x". */
function shortest(value: number, dtype: DType): string {
  if (dtype !== "float32") return value.toExponential();
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value) return Number(text).toExponential();
  }
  return value.toExponential();
}

/** Plain decimal text of "d.ddde±x". */
function positional(exponential: string): string {
  const [mantissa, power] = exponential.split("e");
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace("-", "").replace(".", "");
  const point = Number(power) + 1;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return `${sign}${digits.slice(0, point).padEnd(point, "0")}.${digits.slice(point)}`;
}

function specialText(value: number): string | undefined {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return undefined;
}

function exponentText(power: string): string {
  const sign = power.startsWith("-") ? "-" : "+";
  return `e${sign}${power.replace(/[+-]/, "").padStart(2, "0")}`;
}

/** One number as NumPy prints a scalar of `dtype`: "-1.0", "255", "3.4028235e+38", "True". */
export function scalarText(value: number | bigint, dtype: DType): string {
  if (kindOf(dtype) === "b") return Number(value) === 0 ? "False" : "True";
  if (typeof value === "bigint" || kindOf(dtype) !== "f") return String(value);
  const special = specialText(value);
  if (special !== undefined) return special;
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const text = shortest(value, dtype);
  const [mantissa, power] = text.split("e");
  if (Number(power) >= (dtype === "float32" ? 6 : 16) || Number(power) < -4)
    return mantissa + exponentText(power);
  const plain = positional(text);
  return plain.endsWith(".") ? `${plain}0` : plain;
}

/** "1.25" as ["1", "25"]. */
function split(text: string): readonly [string, string] {
  const [whole, fraction = ""] = text.split(".");
  return [whole, fraction];
}

/** Whole part, fraction and exponent of a finite number. */
function floatParts(value: number, dtype: DType, scientific: boolean): readonly [string, string, string] {
  const text = value === 0 ? `${Object.is(value, -0) ? "-" : ""}0e+0` : shortest(value, dtype);
  if (!scientific) {
    const plain = positional(text);
    const cut = split(plain)[1].length > PRECISION ? value.toFixed(PRECISION).replace(/0+$/, "") : plain;
    return [...split(cut), ""];
  }
  const digits = split(text.split("e")[0])[1].length;
  const [mantissa, power] = (digits > PRECISION ? value.toExponential(PRECISION) : text).split("e");
  return [...split(mantissa), exponentText(power)];
}

/** Floats in one common format: points aligned, exponents for all where one needs them. */
function floatTexts(values: readonly number[], dtype: DType): string[] {
  const sizes = values.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  const [smallest, largest] = [Math.min(...sizes), Math.max(...sizes)];
  const scientific = sizes.length > 0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000);
  const parts = values.map((value) =>
    Number.isFinite(value) ? floatParts(value, dtype, scientific) : undefined,
  );
  const longest = (part: 0 | 1 | 2): number =>
    Math.max(0, ...parts.map((texts) => texts?.[part].length ?? 0));
  const [right, exponents] = [longest(1), longest(2)];
  const special = values.map((value) => specialText(value) ?? "");
  const width = Math.max(longest(0) + 1 + right + exponents, ...special.map((text) => text.length));
  return parts.map((part, i) => {
    if (part === undefined) return special[i].padStart(width);
    const [whole, fraction, exponent] = part;
    const padded = scientific ? fraction.padEnd(right, "0") + exponent : fraction.padEnd(right);
    return `${whole}.${padded}`.padStart(width);
  });
}

function wrapped(texts: readonly string[], indent: number, closing: number): string {
  const lines = [""];
  for (const text of texts) {
    const line = lines[lines.length - 1];
    // A line is full when its text, the indent and the closing brackets would pass the width.
    const full = line !== "" && indent + line.length + 1 + text.length > LINE_WIDTH - Math.max(closing, 1);
    if (full) lines.push(text);
    else lines[lines.length - 1] = line === "" ? text : `${line} ${text}`;
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

/** Does NumPy print this index of an axis? Of long axes in large arrays the edges only. */
function isShown(index: number, length: number, summarize: boolean): boolean {
  return !summarize || length <= 2 * EDGE_ITEMS || index < EDGE_ITEMS || index >= length - EDGE_ITEMS;
}

/** Row-major positions of the elements that are printed. */
function shownPositions(shape: readonly number[], summarize: boolean): number[] {
  return shape.reduce<number[]>(
    (positions, length) =>
      positions.flatMap((position) =>
        Array.from({ length }, (_, i) => i)
          .filter((i) => isShown(i, length, summarize))
          .map((i) => position * length + i),
      ),
    [0],
  );
}

/** Brackets around the printed elements, which `next` gives in order. */
function bracketed(shape: readonly number[], axis: number, summarize: boolean, next: () => string): string {
  if (axis === shape.length) return next();
  const length = shape[axis];
  const parts: string[] = [];
  for (let i = 0; i < length; i++) {
    if (isShown(i, length, summarize)) parts.push(bracketed(shape, axis + 1, summarize, next));
    else if (i === EDGE_ITEMS) parts.push("...");
  }
  if (axis === shape.length - 1) return `[${wrapped(parts, axis + 1, shape.length - axis)}]`;
  return `[${parts.join(`${"\n".repeat(shape.length - axis - 1)}${" ".repeat(axis + 1)}`)}]`;
}

/** An array as `str(numpy_array)` gives it. */
export function arrayText({ data, shape, dtype }: NdArray): string {
  const summarize = sizeOf(shape) > SUMMARY_THRESHOLD;
  const values = shownPositions(shape, summarize).map((position) => data[position]);
  const texts =
    kindOf(dtype) === "f"
      ? floatTexts(values.map(Number), dtype)
      : values.map((value) => scalarText(value, dtype));
  const width = Math.max(0, ...texts.map((text) => text.length));
  let printed = 0;
  return bracketed(shape, 0, summarize, () => texts[printed++].padStart(width));
}

/** A shape as Python prints a tuple: "()", "(3,)", "(2, 3)". */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

/** A string as Python's `repr` quotes it. */
export function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}
