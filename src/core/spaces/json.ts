/** @file Spaces from their JSON form: what the wire, checkpoints and Python read and write. */

import { isDType, kindOf } from "../dtypes.ts";
import type { IntegerDType } from "../dtypes.ts";
import { fail, unknownName } from "../errors.ts";
import type { DType } from "../ndarray.ts";
import { sizeOf } from "../ndarray.ts";
import { Box } from "./box.ts";
import { Dict } from "./dict.ts";
import { Discrete } from "./discrete.ts";
import { Graph } from "./graph.ts";
import { MultiBinary } from "./multi-binary.ts";
import { MultiDiscrete } from "./multi-discrete.ts";
import { OneOf } from "./one-of.ts";
import { Sequence } from "./sequence.ts";
import type { Space } from "./space.ts";
import { Text } from "./text.ts";
import { Tuple } from "./tuple.ts";

/** A short text must not be able to ask for all memory, or for a stack overflow. */
const MAX_ELEMENTS = 2 ** 27;
const MAX_DEPTH = 32;

/** The fields of one space's JSON with checks as they are read. */
class Fields {
  readonly kind: string;
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #depth: number;

  constructor(json: unknown, depth: number) {
    this.#depth = depth;
    if (typeof json !== "object" || json === null || !("kind" in json) || typeof json.kind !== "string") {
      fail({
        code: "INVALID_ARGUMENT",
        what: "this JSON is no space",
        expected: 'a record with "kind"',
        got: JSON.stringify(json)?.slice(0, 200),
      });
    }
    this.kind = json.kind;
    this.#record = { ...json };
  }

  bad(name: string, expected: string): never {
    return fail({
      code: "INVALID_ARGUMENT",
      what: `the JSON of a ${this.kind} has a bad "${name}"`,
      expected,
      got: JSON.stringify(this.#record[name])?.slice(0, 200),
    });
  }

  has(name: string): boolean {
    return (this.#record[name] ?? undefined) !== undefined;
  }

  integer(name: string): number {
    const value = this.#record[name];
    return typeof value === "number" && Number.isSafeInteger(value) ? value : this.bad(name, "an integer");
  }

  text(name: string): string {
    const value = this.#record[name];
    return typeof value === "string" ? value : this.bad(name, "text");
  }

  flag(name: string): boolean {
    const value = this.#record[name];
    return typeof value === "boolean" ? value : this.bad(name, "true or false");
  }

  list(name: string): readonly unknown[] {
    const value: unknown = this.#record[name];
    return Array.isArray(value) ? value : this.bad(name, "a list");
  }

  shape(name: string): readonly number[] {
    const shape = this.list(name);
    const valid = shape.every((axis): axis is number => Number.isSafeInteger(axis) && Number(axis) >= 0);
    if (!valid || sizeOf(shape) > MAX_ELEMENTS) this.bad(name, `axes with up to ${MAX_ELEMENTS} elements`);
    return shape;
  }

  dtype(name: string): DType {
    const value = this.#record[name];
    return isDType(value) ? value : this.bad(name, "a dtype name");
  }

  integerDType(name: string): IntegerDType {
    const dtype = this.dtype(name);
    return kindOf(dtype) === "f" || dtype === "bool"
      ? this.bad(name, "an integer dtype")
      : (dtype as IntegerDType);
  }

  integerTypes(): { dtype: IntegerDType; elementDtype?: IntegerDType } {
    const dtype = this.integerDType("dtype");
    return { dtype, elementDtype: this.has("elementDtype") ? this.integerDType("elementDtype") : dtype };
  }

  /** Numbers, one or a (nested) list; text for what JSON numbers cannot say. */
  numbers(name: string): number | bigint | readonly unknown[] {
    const read = (value: unknown): number | bigint | readonly unknown[] => {
      if (Array.isArray(value)) return value.map(read);
      if (typeof value === "number") return value;
      if (typeof value !== "string" || value.trim() === "") return this.bad(name, "numbers");
      const number = /^-?\d+$/.test(value) ? BigInt(value) : Number(value);
      return Number.isNaN(number) ? this.bad(name, "numbers") : number;
    };
    return read(this.#record[name]);
  }

  space(name: string): Space {
    return readSpace(this.#record[name], this.#depth + 1);
  }

  spaces(name: string): Space[] {
    return this.list(name).map((json) => readSpace(json, this.#depth + 1));
  }

  pairs(name: string): (readonly [string, Space])[] {
    return this.list(name).map((pair) => {
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string")
        this.bad(name, "pairs of name and space");
      return [pair[0], readSpace(pair[1], this.#depth + 1)] as const;
    });
  }
}

function boxOf(fields: Fields): Space {
  const shape = fields.shape("shape");
  const dtype = fields.dtype("dtype");
  const elementDtype = fields.has("elementDtype") ? fields.dtype("elementDtype") : dtype;
  // Bounds are written row by row; `Box` wants them in the Box's shape.
  const flat = new Box<DType>(fields.numbers("low"), fields.numbers("high"), [sizeOf(shape)], {
    dtype,
    elementDtype,
  });
  const bounded = { below: flat.boundedBelow, above: flat.boundedAbove };
  return new Box<DType>({ ...flat.low, shape }, { ...flat.high, shape }, shape, {
    dtype,
    elementDtype,
    bounded,
  });
}

function multiDiscreteOf(fields: Fields): Space {
  const [nvec, start] = [fields.numbers("nvec"), fields.numbers("start")];
  if (typeof nvec !== "object" || typeof start !== "object") return fields.bad("nvec", "a list, as start");
  return new MultiDiscrete<IntegerDType>(nvec, { start, ...fields.integerTypes() });
}

const readers: Readonly<Record<string, (fields: Fields) => Space>> = {
  Box: boxOf,
  Discrete: (fields) =>
    new Discrete<IntegerDType>(fields.integer("n"), {
      start: fields.integer("start"),
      ...fields.integerTypes(),
    }),
  MultiDiscrete: multiDiscreteOf,
  MultiBinary: (fields) =>
    new MultiBinary(Array.isArray(fields.numbers("n")) ? fields.shape("n") : fields.integer("n")),
  Text: (fields) =>
    new Text(fields.integer("maxLength"), {
      minLength: fields.integer("minLength"),
      charset: fields.text("charset"),
    }),
  Tuple: (fields) => new Tuple(fields.spaces("spaces")),
  OneOf: (fields) => new OneOf(fields.spaces("spaces")),
  Dict: (fields) => new Dict(fields.pairs("spaces")),
  Sequence: (fields) => new Sequence<Space, boolean>(fields.space("space"), { stack: fields.flag("stack") }),
  Graph: (fields) =>
    new Graph(fields.space("nodeSpace"), fields.has("edgeSpace") ? fields.space("edgeSpace") : null),
};

function readSpace(json: unknown, depth: number): Space {
  if (depth > MAX_DEPTH) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "this JSON nests spaces too deeply",
      expected: `up to ${MAX_DEPTH} levels`,
    });
  }
  const fields = new Fields(json, depth);
  const reader = Object.hasOwn(readers, fields.kind) ? readers[fields.kind] : undefined;
  if (reader === undefined) throw unknownName("kind of space", fields.kind, Object.keys(readers));
  return reader(fields);
}

/**
 * The space that `toJSON` wrote; generators are not part of it. Safe on text from strangers.
 * @throws INVALID_ARGUMENT for what is no space, UNKNOWN_NAME for a kind of space that is not built in
 */
export function spaceFromJSON(json: unknown): Space {
  return readSpace(json, 0);
}
