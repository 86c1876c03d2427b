/** @file Fréchet distance between two sets of feature vectors, each taken as a Gaussian: how unlike two kinds of data are as wholes. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";

type Floats = NdArray<"float32">;
type Matrix = readonly Float64Array[];

function meanOf({ data, shape: [count, size] }: Floats): Float64Array {
  const mean = new Float64Array(size);
  data.forEach((value, i) => (mean[i % size] += value / count));
  return mean;
}

function covarianceOf({ data, shape: [count, size] }: Floats, mean: Float64Array): Matrix {
  const out = Array.from({ length: size }, () => new Float64Array(size));
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < size; i++) {
      const x = data[n * size + i] - mean[i];
      for (let j = 0; j <= i; j++) out[i][j] += (x * (data[n * size + j] - mean[j])) / (count - 1);
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) out[j][i] = out[i][j];
  return out;
}

function product(a: Matrix, b: Matrix): Matrix {
  return a.map((row) => {
    const out = new Float64Array(b[0].length);
    row.forEach((value, k) => b[k].forEach((other, j) => (out[j] += value * other)));
    return out;
  });
}

/** Turn rows and columns p and q of `a`, and rows p and q of `vectors`, so that a[p][q] becomes 0. */
function rotate(a: Matrix, vectors: Matrix, p: number, q: number): void {
  const angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  for (const row of a) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
  for (const m of [a, vectors]) {
    for (let k = 0; k < a.length; k++)
      [m[p][k], m[q][k]] = [c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]];
  }
}

/** Eigenvalues and eigenvectors (as rows) of a symmetric matrix. @source cyclic Jacobi, Golub & Van Loan §8.5 */
function symmetricEigen(matrix: Matrix): { values: number[]; vectors: Matrix } {
  const a = matrix.map((row) => row.slice());
  const vectors = a.map((_, i) => Float64Array.from(a, (_row, j) => (i === j ? 1 : 0)));
  const scale = a.reduce((sum, row, i) => sum + Math.abs(row[i]), 0);
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < a.length; p++) for (let q = p + 1; q < a.length; q++) off += Math.abs(a[p][q]);
    if (off <= 1e-12 * scale) break;
    for (let p = 0; p < a.length; p++) {
      for (let q = p + 1; q < a.length; q++) if (a[p][q] !== 0) rotate(a, vectors, p, q);
    }
  }
  return { values: a.map((row, i) => Math.max(0, row[i])), vectors };
}

/** Σₖ √λₖ vₖ vₖᵀ */
function squareRoot(matrix: Matrix): Matrix {
  const { values, vectors } = symmetricEigen(matrix);
  const out = matrix.map((row) => new Float64Array(row.length));
  values.forEach((value, k) => {
    const vector = vectors[k];
    vector.forEach((x, i) => vector.forEach((y, j) => (out[i][j] += Math.sqrt(value) * x * y)));
  });
  return out;
}

/**
 * |μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½) of features float32 [N, F], in the features' own squared units; 0 for equal
 * sets, and about 0 for two large samples of one kind (small samples give more: measure that floor with real data).
 * @throws INVALID_SHAPE for different F, or fewer than two rows
 * @source Dowson & Landau 1982; as FID, Heusel et al. 2017, eq. 6 (there with Inception features of pictures)
 */
export function frechetDistance(a: Floats, b: Floats): number {
  if (a.shape[1] !== b.shape[1] || Math.min(a.shape[0], b.shape[0]) < 2) {
    fail({
      code: "INVALID_SHAPE",
      what: "these features cannot be compared",
      expected: "two or more rows each, of one width",
      got: `[${a.shape.join(", ")}] and [${b.shape.join(", ")}]`,
    });
  }
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  const [covA, covB] = [covarianceOf(a, meanA), covarianceOf(b, meanB)];
  const root = squareRoot(covA);
  const { values } = symmetricEigen(product(product(root, covB), root));
  const shift = meanA.reduce((sum, x, i) => sum + (x - meanB[i]) ** 2, 0);
  const traces = covA.reduce((sum, row, i) => sum + row[i] + covB[i][i], 0);
  return Math.max(0, shift + traces - 2 * values.reduce((sum, value) => sum + Math.sqrt(value), 0));
}
