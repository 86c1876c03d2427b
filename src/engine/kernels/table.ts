/** @file The table of all lowerings: tfjs kernel name to ONNX nodes. */

import type { KernelTable } from "./call.ts";
import { convolutions } from "./conv.ts";
import { elementwise } from "./elementwise.ts";
import { gathers } from "./gather.ts";
import { images } from "./image.ts";
import { matmuls } from "./matmul.ts";
import { norms } from "./norm.ts";
import { pools } from "./pool.ts";
import { reductions } from "./reduction.ts";
import { shapes } from "./shape.ts";

/** Lowerings by tfjs kernel name. A kernel that is missing here fails at trace time, by name. */
export const kernels: KernelTable = {
  ...elementwise,
  ...reductions,
  ...shapes,
  ...matmuls,
  ...gathers,
  ...convolutions,
  ...pools,
  ...images,
  ...norms,
};
