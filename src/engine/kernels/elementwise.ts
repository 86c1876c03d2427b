/** @file Elementwise kernels: arithmetic with broadcasting, comparisons, logic, unary functions, and their algebraic short cuts. */

import { sizeOf } from "../../core/ndarray.ts";
import type { DType } from "../../core/ndarray.ts";
import { elementType } from "../onnx.ts";
import { float, int } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import { broadcastShape, listOf, sameShape } from "./call.ts";
import type { KernelTable, Lowering } from "./call.ts";

/** `value` converted to `dtype`; float to int truncates, anything to bool means "not zero". */
export function cast(graph: Graph, value: Value, dtype: DType): Value {
  if (value.dtype === dtype) return value;
  if (value.uniform !== undefined) {
    const whole = dtype === "bool" ? Number(value.uniform !== 0) : Math.trunc(value.uniform);
    return graph.uniform({ dtype, shape: value.shape }, dtype === "float32" ? value.uniform : whole);
  }
  return graph.op("Cast", [value], { dtype, shape: value.shape }, { to: int(elementType(dtype)) });
}

/** `value` repeated to `shape`. */
export function expand(graph: Graph, value: Value, shape: readonly number[]): Value {
  if (sameShape(value.shape, shape)) return value;
  if (value.uniform !== undefined) return graph.uniform({ dtype: value.dtype, shape }, value.uniform);
  return graph.op("Expand", [value, graph.longs(shape)], { dtype: value.dtype, shape });
}

/** The value before an `Expand`, or the value itself. */
function sourceOf(value: Value): Value {
  return (value.node?.op === "Expand" ? value.node.inputs[0] : undefined) ?? value;
}

/** The value before an `Expand`, where the other operand gives the output its shape anyway. */
function unexpanded(value: Value, other: Value, shape: readonly number[]): Value {
  const source = sourceOf(value);
  return sameShape(broadcastShape(source.shape, other.shape), shape) ? source : value;
}

function operand(graph: Graph, value: Value, other: Value, shape: readonly number[]): Value {
  const size = sizeOf(value.shape);
  const small = value.uniform !== undefined && size > 1 && sameShape(broadcastShape([], other.shape), shape);
  return small ? graph.scalar(value.uniform ?? 0, value.dtype) : unexpanded(value, other, shape);
}

/** A broadcasting ONNX operator on two values of one dtype. */
export function binary(
  graph: Graph,
  op: string,
  [a, b]: readonly [Value, Value],
  dtype: DType = a.dtype,
): Value {
  const shape = broadcastShape(a.shape, b.shape);
  const x = operand(graph, a, b, shape);
  const y = operand(graph, b, x, shape);
  const inner = broadcastShape(sourceOf(x).shape, sourceOf(y).shape);
  // Computing before repeating is cheaper than after.
  if (sizeOf(inner) < sizeOf(shape))
    return expand(graph, graph.op(op, [sourceOf(x), sourceOf(y)], { dtype, shape: inner }), shape);
  return graph.op(op, [x, y], { dtype, shape });
}

/** An ONNX operator from one value to one of the same shape and dtype. */
export function unary(graph: Graph, op: string, a: Value): Value {
  return graph.op(op, [a], { dtype: a.dtype, shape: a.shape });
}

type Fold = (a: number, b: number) => number;

interface Arithmetic {
  readonly op: string;
  readonly fold: Fold;
  /** Uniform right operand that leaves the left one as it is. */
  readonly rightIdentity?: number;
  /** Uniform left operand that leaves the right one as it is. */
  readonly leftIdentity?: number;
}

function arithmetic(graph: Graph, rule: Arithmetic, [a, b]: readonly [Value, Value]): Value {
  const shape = broadcastShape(a.shape, b.shape);
  const { dtype } = a;
  if (a.uniform !== undefined && b.uniform !== undefined && dtype === "float32") {
    return graph.uniform({ dtype, shape }, rule.fold(a.uniform, b.uniform));
  }
  if (b.uniform !== undefined && b.uniform === rule.rightIdentity) return expand(graph, a, shape);
  if (a.uniform !== undefined && a.uniform === rule.leftIdentity) return expand(graph, b, shape);
  return binary(graph, rule.op, [a, b]);
}

const addition: Arithmetic = { op: "Add", fold: (a, b) => a + b, rightIdentity: 0, leftIdentity: 0 };
const subtraction: Arithmetic = { op: "Sub", fold: (a, b) => a - b, rightIdentity: 0 };
const multiplication: Arithmetic = { op: "Mul", fold: (a, b) => a * b, rightIdentity: 1, leftIdentity: 1 };
const division: Arithmetic = { op: "Div", fold: (a, b) => a / b, rightIdentity: 1 };

export const add = (graph: Graph, a: Value, b: Value): Value => arithmetic(graph, addition, [a, b]);
export const sub = (graph: Graph, a: Value, b: Value): Value => arithmetic(graph, subtraction, [a, b]);
export const mul = (graph: Graph, a: Value, b: Value): Value => arithmetic(graph, multiplication, [a, b]);
export const div = (graph: Graph, a: Value, b: Value): Value => arithmetic(graph, division, [a, b]);

/** Choose elementwise; `condition` is bool. */
export function where(graph: Graph, condition: Value, [yes, no]: readonly [Value, Value]): Value {
  const shape = broadcastShape(condition.shape, broadcastShape(yes.shape, no.shape));
  const isShaped = sameShape(condition.shape, shape);
  const small = (value: Value): Value =>
    value.uniform === undefined ? sourceOf(value) : graph.scalar(value.uniform, value.dtype);
  const choices = isShaped ? [small(yes), small(no)] : [yes, no];
  return graph.op("Where", [condition, ...choices], { dtype: yes.dtype, shape });
}

const rule =
  (arithmeticRule: Arithmetic): Lowering =>
  ({ graph, inputs }) =>
    arithmetic(graph, arithmeticRule, [inputs.a, inputs.b]);

const compare =
  (op: string): Lowering =>
  ({ graph, inputs }) =>
    binary(graph, op, [inputs.a, inputs.b], "bool");

/** ONNX's `Equal`, `Max` and friends do not take bool; tfjs's may. */
const numeric = (graph: Graph, value: Value): Value =>
  value.dtype === "bool" ? cast(graph, value, "int32") : value;

const compareNumbers =
  (op: string): Lowering =>
  ({ graph, inputs }) =>
    binary(graph, op, [numeric(graph, inputs.a), numeric(graph, inputs.b)], "bool");

const plain =
  (op: string): Lowering =>
  ({ graph, inputs }) =>
    unary(graph, op, inputs.x);

/** tfjs lets float functions take ints and answers in float. */
const floating =
  (op: string): Lowering =>
  ({ graph, inputs }) =>
    unary(graph, op, cast(graph, inputs.x, "float32"));

/** Unary functions of a float that are short programs of ONNX operators. */
const program =
  (body: (graph: Graph, x: Value) => Value): Lowering =>
  ({ graph, inputs }) =>
    body(graph, cast(graph, inputs.x, "float32"));

const PI = Math.PI;

/** The angle of (x, y) from the arc tangent of y / x, corrected by quadrant. */
function atan2(graph: Graph, y: Value, x: Value): Value {
  const zero = graph.scalar(0);
  const up = binary(graph, "GreaterOrEqual", [y, zero], "bool");
  const left = binary(graph, "Less", [x, zero], "bool");
  const onAxis = binary(graph, "Equal", [x, zero], "bool");
  const angle = unary(graph, "Atan", binary(graph, "Div", [y, x]));
  const turned = add(graph, angle, where(graph, up, [graph.scalar(PI), graph.scalar(-PI)]));
  const upright = mul(graph, unary(graph, "Sign", y), graph.scalar(PI / 2));
  return where(graph, onAxis, [upright, where(graph, left, [turned, angle])]);
}

const binaryKernels: KernelTable = {
  Atan2: ({ graph, inputs: { a, b } }) => atan2(graph, a, b),
  Add: rule(addition),
  Sub: rule(subtraction),
  Multiply: rule(multiplication),
  RealDiv: ({ graph, inputs }) =>
    div(graph, cast(graph, inputs.a, "float32"), cast(graph, inputs.b, "float32")),
  AddN: (call) => listOf(call).reduce((sum, value) => add(call.graph, sum, value)),
  Maximum: ({ graph, inputs }) => binary(graph, "Max", [numeric(graph, inputs.a), numeric(graph, inputs.b)]),
  Minimum: ({ graph, inputs }) => binary(graph, "Min", [numeric(graph, inputs.a), numeric(graph, inputs.b)]),
  Pow: ({ graph, inputs }) => binary(graph, "Pow", [inputs.a, inputs.b]),
  SquaredDifference: ({ graph, inputs }) => {
    const difference = sub(graph, inputs.a, inputs.b);
    return mul(graph, difference, difference);
  },
  FloorDiv: ({ graph, inputs }) => {
    const quotient = binary(graph, "Div", [
      cast(graph, inputs.a, "float32"),
      cast(graph, inputs.b, "float32"),
    ]);
    return cast(graph, unary(graph, "Floor", quotient), inputs.a.dtype);
  },
  Mod: ({ graph, inputs: { a, b } }) => {
    // tfjs: the sign of the divisor, as Python has it; ONNX's float Mod is C's fmod.
    if (a.dtype === "int32") return binary(graph, "Mod", [a, b]);
    const quotient = unary(graph, "Floor", binary(graph, "Div", [a, b]));
    return sub(graph, a, mul(graph, quotient, b));
  },
  Equal: compareNumbers("Equal"),
  NotEqual: ({ graph, inputs }) =>
    unary(graph, "Not", binary(graph, "Equal", [numeric(graph, inputs.a), numeric(graph, inputs.b)], "bool")),
  Less: compareNumbers("Less"),
  LessEqual: compareNumbers("LessOrEqual"),
  Greater: compareNumbers("Greater"),
  GreaterEqual: compareNumbers("GreaterOrEqual"),
  LogicalAnd: compare("And"),
  LogicalOr: compare("Or"),
  LogicalXor: compare("Xor"),
  Prelu: ({ graph, inputs: { x, alpha } }) =>
    where(graph, binary(graph, "Less", [x, graph.scalar(0)], "bool"), [mul(graph, x, alpha), x]),
  Select: ({ graph, inputs }) => where(graph, cast(graph, inputs.condition, "bool"), [inputs.t, inputs.e]),
};

const exp = (graph: Graph, x: Value): Value => unary(graph, "Exp", x);

/** (e^x - e^-x) / 2 and its siblings. */
function hyperbolic(graph: Graph, x: Value, sign: 1 | -1): Value {
  const up = exp(graph, x);
  const down = exp(graph, unary(graph, "Neg", x));
  return mul(graph, sign === 1 ? add(graph, up, down) : sub(graph, up, down), graph.scalar(0.5));
}

/** log1p and expm1 keep their accuracy near zero by W. Kahan's correction of the rounding of 1 + x. */
function log1p(graph: Graph, x: Value): Value {
  const one = graph.scalar(1);
  const shifted = add(graph, x, one);
  const kept = sub(graph, shifted, one);
  const corrected = mul(graph, unary(graph, "Log", shifted), div(graph, x, kept));
  const exact = binary(graph, "Equal", [shifted, one], "bool");
  const huge = binary(graph, "Greater", [x, graph.scalar(1e30)], "bool");
  return where(graph, exact, [x, where(graph, huge, [unary(graph, "Log", x), corrected])]);
}

function expm1(graph: Graph, x: Value): Value {
  // tanh(x/2) * (e^x + 1) is exact near zero; far out the plain form is.
  const half = unary(graph, "Tanh", mul(graph, x, graph.scalar(0.5)));
  const grown = exp(graph, x);
  const near = mul(graph, half, add(graph, grown, graph.scalar(1)));
  const small = binary(graph, "Less", [unary(graph, "Abs", x), graph.scalar(1)], "bool");
  return where(graph, small, [near, sub(graph, grown, graph.scalar(1))]);
}

function clip(graph: Graph, x: Value, low: number, high: number): Value {
  const bounds = [graph.scalar(low, x.dtype), graph.scalar(high, x.dtype)];
  return graph.op("Clip", [x, ...bounds], { dtype: x.dtype, shape: x.shape });
}

const unaryKernels: KernelTable = {
  Identity: ({ inputs }) => inputs.x,
  Cast: ({ graph, inputs, attrs }) => cast(graph, inputs.x, attrs.dtype as DType),
  Neg: plain("Neg"),
  Abs: plain("Abs"),
  Sign: plain("Sign"),
  Floor: plain("Floor"),
  Ceil: plain("Ceil"),
  Round: plain("Round"),
  LogicalNot: ({ graph, inputs }) => unary(graph, "Not", cast(graph, inputs.x, "bool")),
  Exp: floating("Exp"),
  Log: floating("Log"),
  Sqrt: floating("Sqrt"),
  Reciprocal: floating("Reciprocal"),
  Sin: floating("Sin"),
  Cos: floating("Cos"),
  Tan: floating("Tan"),
  Asin: floating("Asin"),
  Acos: floating("Acos"),
  Atan: floating("Atan"),
  Asinh: floating("Asinh"),
  Acosh: floating("Acosh"),
  Atanh: floating("Atanh"),
  Tanh: floating("Tanh"),
  Sigmoid: floating("Sigmoid"),
  Erf: floating("Erf"),
  Softplus: floating("Softplus"),
  Relu: plain("Relu"),
  Square: ({ graph, inputs }) => mul(graph, inputs.x, inputs.x),
  Rsqrt: program((graph, x) => unary(graph, "Reciprocal", unary(graph, "Sqrt", x))),
  Sinh: program((graph, x) => hyperbolic(graph, x, -1)),
  Cosh: program((graph, x) => hyperbolic(graph, x, 1)),
  Expm1: program(expm1),
  Log1p: program(log1p),
  Relu6: ({ graph, inputs }) => clip(graph, inputs.x, 0, 6),
  ClipByValue: ({ graph, inputs, attrs }) =>
    clip(graph, inputs.x, attrs.clipValueMin as number, attrs.clipValueMax as number),
  Elu: program((graph, x) => graph.op("Elu", [x], x, { alpha: float(1) })),
  Selu: program((graph, x) => unary(graph, "Selu", x)),
  LeakyRelu: ({ graph, inputs, attrs }) => {
    const x = cast(graph, inputs.x, "float32");
    return graph.op("LeakyRelu", [x], x, { alpha: float(attrs.alpha as number) });
  },
  EluGrad: ({ graph, inputs: { dy, y } }) => {
    const positive = binary(graph, "GreaterOrEqual", [y, graph.scalar(0)], "bool");
    return where(graph, positive, [dy, mul(graph, dy, add(graph, y, graph.scalar(1)))]);
  },
  Step: ({ graph, inputs: { x }, attrs }) => {
    const positive = binary(graph, "Greater", [x, graph.scalar(0, x.dtype)], "bool");
    const low = Number(attrs.alpha ?? 0);
    if (low === 0) return cast(graph, positive, x.dtype);
    return where(graph, positive, [graph.scalar(1, x.dtype), graph.scalar(low, x.dtype)]);
  },
  IsNan: ({ graph, inputs: { x } }) => graph.op("IsNaN", [x], { dtype: "bool", shape: x.shape }),
  IsInf: ({ graph, inputs: { x } }) => graph.op("IsInf", [x], { dtype: "bool", shape: x.shape }),
  IsFinite: ({ graph, inputs: { x } }) => {
    // x - x is zero for every finite x, NaN otherwise.
    return binary(graph, "Equal", [sub(graph, x, x), graph.scalar(0)], "bool");
  },
  ZerosLike: ({ graph, inputs: { x } }) => graph.uniform(x, 0),
  OnesLike: ({ graph, inputs: { x } }) => graph.uniform(x, 1),
};

/** Lowerings of this family. */
export const elementwise: KernelTable = { ...binaryKernels, ...unaryKernels };
