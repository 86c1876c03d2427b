/** @file Elementwise kernels and their gradients equal tfjs's CPU backend, with broadcasting, on ranks 0 to 5. */

import { describe, expect, it } from "vitest";
import { float32 } from "../../src/core/ndarray.ts";
import { jit, tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { broadcastPair, compare, flags, floats, makeRandom, shapeOf, wholes } from "./compare.ts";

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;

/** Functions by the domain on which both sides are defined and smooth enough. */
const unaries: Record<string, { domain: [number, number]; ops: Record<string, Unary> }> = {
  real: {
    domain: [-2, 2],
    ops: {
      abs: tf.abs,
      neg: tf.neg,
      exp: tf.exp,
      expm1: tf.expm1,
      sin: tf.sin,
      cos: tf.cos,
      atan: tf.atan,
      asinh: tf.asinh,
      sinh: tf.sinh,
      cosh: tf.cosh,
      tanh: tf.tanh,
      sigmoid: tf.sigmoid,
      softplus: tf.softplus,
      relu: tf.relu,
      relu6: tf.relu6,
      elu: tf.elu,
      selu: tf.selu,
      erf: tf.erf,
      square: tf.square,
      sign: tf.sign,
      floor: tf.floor,
      ceil: tf.ceil,
      round: tf.round,
      step: (x) => tf.step(x),
      leakyRelu: (x) => tf.leakyRelu(x, 0.1),
      clip: (x) => tf.clipByValue(x, -0.5, 0.7),
      logSigmoid: tf.logSigmoid,
      silu: (x) => tf.mul(x, tf.sigmoid(x)),
      isNaN: (x) => tf.isNaN(tf.sqrt(x)),
      isFinite: (x) => tf.isFinite(tf.log(tf.relu(x))),
      isInf: (x) => tf.isInf(tf.log(tf.relu(x))),
      zerosLike: tf.zerosLike,
      onesLike: tf.onesLike,
      toInt: (x) => tf.cast(x, "int32"),
      toBool: (x) => tf.cast(tf.relu(x), "bool"),
    },
  },
  positive: {
    domain: [0.1, 4],
    ops: { log: tf.log, log1p: tf.log1p, sqrt: tf.sqrt, rsqrt: tf.rsqrt, reciprocal: tf.reciprocal },
  },
  inner: { domain: [-0.9, 0.9], ops: { asin: tf.asin, acos: tf.acos, atanh: tf.atanh, tan: tf.tan } },
  aboveOne: { domain: [1.1, 4], ops: { acosh: tf.acosh } },
  large: {
    domain: [-1e4, 1e4],
    ops: { relu6: tf.relu6, square: tf.square, log1pBig: (x) => tf.log1p(tf.abs(x)) },
  },
  tiny: { domain: [-1e-6, 1e-6], ops: { expm1: tf.expm1, log1p: tf.log1p } },
};

const binaries: Record<string, Binary> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  div: (a, b) => tf.div(a, tf.add(tf.abs(b), 0.5)),
  pow: (a, b) => tf.pow(tf.add(tf.abs(a), 0.5), b),
  atan2: tf.atan2,
  mod: (a, b) => tf.mod(a, tf.add(tf.abs(b), 0.5)),
  prelu: (a, b) => tf.mul(tf.prelu(a, tf.scalar(0.3)), b),
  divNoNan: (a, b) => tf.divNoNan(a, tf.relu(b)),
  logAddExp: (a, b) => tf.logSumExp(tf.stack([tf.add(a, tf.zerosLike(b)), tf.add(b, tf.zerosLike(a))])),
};

const comparisons: Record<string, Binary> = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
};

const logic: Record<string, Binary> = { and: tf.logicalAnd, or: tf.logicalOr, xor: tf.logicalXor };

describe("elementwise kernels", () => {
  for (const [family, { domain, ops }] of Object.entries(unaries)) {
    it(`of one argument (${family}) equal tfjs's, gradients included`, async () => {
      const random = makeRandom(1);
      for (const [name, op] of Object.entries(ops)) {
        const rank = Math.floor(random() * 6);
        await compare(name, op, [floats(random, shapeOf(random, rank), domain)]);
      }
    });
  }

  it("stay right at halves, far out, and where a naive formula overflows", async () => {
    const halves = float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0]);
    for (const op of [tf.round, tf.floor, tf.ceil, tf.sign] as Unary[]) await compare(op.name, op, [halves]);
    const far = float32([1e4, -1e4, 88, -88, 100, -100, 20, -20]);
    const ops = [
      tf.sigmoid,
      tf.tanh,
      tf.softplus,
      tf.logSigmoid,
      tf.erf,
      tf.elu,
      tf.softmax,
      tf.logSoftmax,
      tf.logSumExp,
    ];
    for (const op of ops as Unary[]) await compare(op.name, op, [far]);
  });

  it("let NaN through, so that a poisoned loss shows", async () => {
    const poisoned = float32([Number.NaN, 1, -2]);
    const ops = [
      tf.relu,
      tf.relu6,
      tf.sigmoid,
      tf.softmax,
      tf.sum,
      tf.mean,
      tf.logSumExp,
      tf.square,
      tf.cumsum,
      tf.sqrt,
    ];
    for (const op of ops as Unary[]) {
      expect((await jit((x: Tensor) => op(x))(poisoned)).data[0], op.name).toBeNaN();
    }
    for (const op of [tf.maximum, tf.minimum] as Binary[]) {
      expect((await jit((x: Tensor) => op(x, tf.scalar(0.5)))(poisoned)).data[0], op.name).toBeNaN();
    }
  });

  it("of two arguments broadcast as tfjs's do, gradients included", async () => {
    const random = makeRandom(2);
    for (const [name, op] of Object.entries(binaries)) {
      for (const rank of [0, 1 + Math.floor(random() * 2), 3 + Math.floor(random() * 3)]) {
        const [a, b] = broadcastPair(random, rank);
        await compare(`${name} [${a.join()}] [${b.join()}]`, op, [floats(random, a), floats(random, b)]);
      }
    }
  });

  it("compare floats and ints as tfjs's do", async () => {
    const random = makeRandom(3);
    for (const [name, op] of Object.entries(comparisons)) {
      const [a, b] = broadcastPair(random, 4);
      await compare(name, op, [wholes(random, a, [0, 3]), wholes(random, b, [0, 3])]);
      await compare(name, (x, y) => op(tf.round(x), tf.round(y)), [floats(random, a), floats(random, b)], {
        gradients: false,
      });
    }
  });

  it("of bools equal tfjs's", async () => {
    const random = makeRandom(4);
    for (const [name, op] of Object.entries(logic)) {
      const [a, b] = broadcastPair(random, 3);
      await compare(name, op, [flags(random, a), flags(random, b)]);
    }
    await compare("not", (x) => tf.logicalNot(x), [flags(random, [7])]);
    await compare("equal", tf.equal, [flags(random, [7]), flags(random, [7])]);
  });

  it("of ints stay ints, and divide and take remainders towards minus infinity", async () => {
    const random = makeRandom(5);
    const nonZero = wholes(random, [40], [1, 5]);
    const signed = { ...nonZero, data: nonZero.data.map((x, i) => (i % 2 === 0 ? x : -x)) };
    for (const op of [
      tf.add,
      tf.sub,
      tf.mul,
      tf.maximum,
      tf.minimum,
      tf.floorDiv,
      tf.mod,
      tf.squaredDifference,
      tf.div,
    ] as Binary[]) {
      await compare(op.name, op, [wholes(random, [40]), signed]);
    }
    for (const op of [tf.abs, tf.neg, tf.sign, tf.relu, tf.square] as Unary[])
      await compare(op.name, op, [wholes(random, [9])]);
    await compare("int to float functions", (x) => tf.exp(tf.cast(x, "float32")), [wholes(random, [9])]);
  });

  it("choose by condition, gradients included", async () => {
    const random = makeRandom(6);
    await compare("where", (c, a, b) => tf.where(c, a, b), [
      flags(random, [2, 3]),
      floats(random, [2, 3]),
      floats(random, [2, 3]),
    ]);
    await compare("where broadcast", (c, a, b) => tf.where(c, a, b), [
      flags(random, [3]),
      floats(random, [2, 1]),
      floats(random, []),
    ]);
    await compare("where constant", (c, a) => tf.where(c, a, tf.fill([4, 5], -1e9)), [
      flags(random, [4, 5]),
      floats(random, [4, 5]),
    ]);
  });

  it("fold uniform constants without changing the result", async () => {
    const random = makeRandom(7);
    const body: Unary = (x) => {
      const ones = tf.ones([4, 3]);
      const zeros = tf.zeros([4, 1]);
      const a = tf.add(tf.mul(x, ones), zeros);
      const b = tf.sub(tf.div(a, ones), tf.mul(ones, 0.25));
      return tf.add(tf.mul(tf.add(ones, ones), b), tf.sub(zeros, a));
    };
    await compare("folding", body, [floats(random, [3])]);
  });
});
