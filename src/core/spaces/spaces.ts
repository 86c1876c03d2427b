/** @file The public namespace `spaces`: `spaces.Box(low, high, shape, dtype)` and the like, as values and as types. */

export * as spaces from "./all.ts";
