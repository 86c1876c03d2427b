/** @file Units in a config's names and values: a speed in km/h where m/s is meant is recognised, and converted in the message. */

import type { FieldPath } from "./config-source.ts";

interface Unit {
  /** What it measures; only units of one kind are converted. */
  readonly kind: string;
  readonly symbol: string;
  /** Size in the kind's SI unit. */
  readonly size: number;
}

const unit = (kind: string, symbol: string, size: number): Unit => ({ kind, symbol, size });

/** Ends of names, the longest first where one ends another. */
const suffixes: readonly (readonly [string, Unit])[] = [
  ["Mps2", unit("acceleration", "m/s²", 1)],
  ["RadPerSecond", unit("turn", "rad/s", 1)],
  ["DegPerSecond", unit("turn", "deg/s", Math.PI / 180)],
  ["Mps", unit("speed", "m/s", 1)],
  ["Kmh", unit("speed", "km/h", 1 / 3.6)],
  ["Kph", unit("speed", "km/h", 1 / 3.6)],
  ["Mph", unit("speed", "mph", 0.44704)],
  ["Rad", unit("angle", "rad", 1)],
  ["Deg", unit("angle", "deg", Math.PI / 180)],
  ["Hz", unit("rate", "Hz", 1)],
  ["KHz", unit("rate", "kHz", 1000)],
  ["Ms", unit("time", "ms", 0.001)],
  ["Seconds", unit("time", "s", 1)],
  ["Minutes", unit("time", "min", 60)],
  ["Hours", unit("time", "h", 3600)],
  ["Meters", unit("length", "m", 1)],
  ["Centimeters", unit("length", "cm", 0.01)],
  ["Millimeters", unit("length", "mm", 0.001)],
  ["Kilometers", unit("length", "km", 1000)],
];

const bySymbol = new Map(suffixes.map(([, known]) => [known.symbol, known]));

/** Unit that a field's name ends in, and the name without it. */
function unitOfName(name: string): { stem: string; unit: Unit } | undefined {
  const found = suffixes.find(([suffix]) => name.endsWith(suffix) && name.length > suffix.length);
  return found && { stem: name.slice(0, -found[0].length), unit: found[1] };
}

function converted(value: number, from: Unit, to: Unit): string {
  return String(Number(((value * from.size) / to.size).toPrecision(6)));
}

function convertedValue(value: unknown, from: Unit, to: Unit): string | undefined {
  if (typeof value === "number") return converted(value, from, to);
  if (!Array.isArray(value) || !value.every((item) => typeof item === "number")) return undefined;
  return `[${value.map((item: number) => converted(item, from, to)).join(", ")}]`;
}

/** What to do about `speedKmh: 54` where the field is `speedMps`; undefined when it is something else that is wrong. */
export function unitOfKeyFix(key: string, value: unknown, known: readonly string[]): string | undefined {
  const written = unitOfName(key);
  if (written === undefined) return undefined;
  for (const name of known) {
    const meant = unitOfName(name);
    if (meant?.stem !== written.stem || meant.unit.kind !== written.unit.kind) continue;
    const number = convertedValue(value, written.unit, meant.unit);
    const { symbol } = meant.unit;
    return `"${name}" is in ${symbol}${number === undefined ? "" : `: write ${name}: ${number}`}`;
  }
  return undefined;
}

/** What to do about `speedMps: "54 km/h"`; undefined when the value is no number with a unit. */
export function unitOfValueFix(path: FieldPath, value: unknown): string | undefined {
  const match =
    typeof value === "string" ? /^\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-zA-Z/²°%]+)\s*$/i.exec(value) : null;
  if (match === null) return undefined;
  const [number, symbol] = [Number(match[1]), match[2]];
  const name = path.findLast((part) => typeof part === "string") ?? "";
  const meant = unitOfName(String(name))?.unit;
  if (meant === undefined) return `write the number alone: ${number}`;
  const written = bySymbol.get(symbol);
  if (written?.kind !== meant.kind) return `"${name}" is in ${meant.symbol}: write the number alone`;
  return `"${name}" is in ${meant.symbol}: write ${converted(number, written, meant)}`;
}
