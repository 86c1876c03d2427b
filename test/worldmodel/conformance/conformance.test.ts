/** @file Every kind of world model keeps the contract. */

import { ndarray } from "../../../src/core/ndarray.ts";
import { untrainedCausal } from "../causal-flow-subject.ts";
import { configOf, framesOf, untrained } from "../line-world.ts";
import { framesAt, untrainedRing } from "../token-world.ts";
import { conformance, type Subject } from "./laws.ts";

const onLine = (model: Subject["model"], random: boolean): Subject => ({
  model,
  frames: (batch, time) => {
    const { data } = framesOf(Array.from({ length: batch * time }, (_, i) => Math.sin(i)));
    return ndarray("uint8", [batch, time, 1, 1, 3], data);
  },
  random,
});

const line = (form: "deterministic" | "flow", count: number) => (): Subject =>
  onLine(untrained(form, { config: configOf(form, 3), count }), form === "flow");

const ring = (temperature: number) => (): Subject => ({
  model: untrainedRing({ sampling: { temperature, topP: 1 } }),
  frames: (batch, time) =>
    framesAt(
      Array.from({ length: batch * time }, (_, i) => (i * i) % 5),
      [batch, time],
    ),
  random: temperature > 0,
});

conformance("latent, deterministic", line("deterministic", 1));
conformance("latent, an ensemble", line("deterministic", 3));
conformance("latent, rectified flow", line("flow", 1));
conformance("causal flow", () => onLine(untrainedCausal({}), true));
conformance("causal flow, EDM", () => onLine(untrainedCausal({ preconditioning: "edm" }), true));
conformance("causal flow, cross-attention", () =>
  onLine(untrainedCausal({ actionEntry: "cross-attention" }), true),
);
conformance("autoregressive, sampled", ring(1));
conformance("autoregressive, greedy", ring(0));
