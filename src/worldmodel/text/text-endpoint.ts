/**
 * @file Texts as vectors by a server: any endpoint that speaks OpenAI's embeddings API.
 *
 * @source OpenAI API reference, "Create embeddings" (vLLM, Ollama and others speak it)
 */

import { fail } from "../../core/errors.ts";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import { makeHttpClient, type HttpOptions } from "../remote/http.ts";
import { textEncoderHash, type TextEncoder } from "./text-encoder.ts";

/** An endpoint and its model. */
export interface TextEndpointOptions extends HttpOptions {
  readonly model: string;
  /** Numbers per text that the model gives; asked of it where it can choose (`dimensions`). */
  readonly size: number;
  /** Path of the route; default `/v1/embeddings`. */
  readonly path?: string;
}

type Answer = {
  readonly data?: readonly { readonly index?: number; readonly embedding?: readonly number[] }[];
};

function vectorsOf(answer: Answer, count: number, { model, size }: TextEndpointOptions): NdArray<"float32"> {
  const out = zeros("float32", [count, size]);
  const list = answer.data ?? [];
  const sound = list.length === count && list.every(({ embedding }) => embedding?.length === size);
  if (!sound) {
    fail({
      code: "PROTOCOL",
      what: `the embeddings of ${model} are not what was asked for`,
      expected: `${count} lists of ${size} numbers`,
      got: `${list.length}, the first of ${list[0]?.embedding?.length ?? "no"} numbers`,
      fix: "set `size` to what the model gives",
    });
  }
  for (const [place, { index = place, embedding = [] }] of list.entries()) {
    const norm = Math.sqrt(embedding.reduce((sum, value) => sum + value * value, 0) / size) || 1;
    out.data.set(
      embedding.map((value) => value / norm),
      index * size,
    );
  }
  return out;
}

/** Vectors of unit root mean square, as of the trained encoder. The hash is the model's name and size, as its weights are not seen. */
export function openTextEndpoint(options: TextEndpointOptions): TextEncoder {
  const { model, size, path = "/v1/embeddings" } = options;
  const client = makeHttpClient(options);
  return {
    kind: "endpoint",
    size,
    hash: textEncoderHash("endpoint", model, size),
    async embed(texts) {
      const body = { model, input: texts };
      return vectorsOf(await client.json({ method: "POST", path, body }), texts.length, options);
    },
  };
}
