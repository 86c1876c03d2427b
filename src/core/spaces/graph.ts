/** @file Graph: nodes and edges with features, and the pairs of nodes that the edges connect. */

import { kindOf } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { NdArray } from "../ndarray.ts";
import { isNdArray } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import { fromNested, toNested } from "./arrays.ts";
import { isRecord } from "./dict.ts";
import { OpaqueSpace } from "./opaque.ts";
import { checkSampleOptions, notOfSpace } from "./space.ts";
import type { ArrayMaker, Element, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";
import { SEED_LIMIT, partsOf } from "./tuple.ts";

/** Batched elements of a space, as its `createEmpty` gives them. */
type BatchOfElements<S extends Space> = ReturnType<S["createEmpty"]>;

/** One graph of n nodes and m edges. */
export interface GraphInstance<N extends Space = Space, E extends Space | null = Space | null> {
  /** A batch of n elements of the node space. */
  readonly nodes: BatchOfElements<N>;
  /** A batch of m elements of the edge space; null without edges. */
  readonly edges: (E extends Space ? BatchOfElements<E> : never) | null;
  /** Which nodes each edge connects: int32 [m, 2]; null without edges. */
  readonly edgeLinks: NdArray<"int32"> | null;
}

/** How many nodes and edges to sample. */
export interface GraphSampleOptions extends SampleOptions {
  /** 10 by default. */
  readonly numNodes?: number;
  /** By default drawn below n (n - 1). */
  readonly numEdges?: number;
}

/** Graphs whose nodes and edges carry elements of two spaces. @source Gymnasium 1.4 `spaces/graph.py` */
export class Graph<N extends Space = Space, E extends Space | null = Space | null>
  extends OpaqueSpace<GraphInstance<N, E>>
  implements Space<GraphInstance<N, E>>
{
  readonly kind = "Graph";
  readonly flattenable = false;
  readonly nodeSpace: N;
  readonly edgeSpace: E;

  constructor(nodeSpace: N, edgeSpace: E, options: { readonly seed?: SpaceSeed | Rng } = {}) {
    super(undefined, undefined);
    this.nodeSpace = nodeSpace;
    this.edgeSpace = edgeSpace;
    this.seedFrom(options.seed);
  }

  #children(): readonly Space[] {
    return this.edgeSpace === null ? [this.nodeSpace] : [this.nodeSpace, this.edgeSpace];
  }

  /** An integer seeds this space and, through it, the children; a list is its own seed, the nodes' and the edges'. */
  override seed(seed?: SpaceSeed): SpaceSeed {
    const children = this.#children();
    if (seed === undefined) return [this.seedSelf(undefined), ...children.map((space) => space.seed())];
    if (typeof seed === "number" || typeof seed === "bigint") {
      this.seedSelf(seed);
      const drawn = this.rng.integers(0, SEED_LIMIT, { size: children.length }).data;
      return [this.seedSelf(seed), ...children.map((space, i) => space.seed(drawn[i]))];
    }
    const [own, ...rest] = partsOf(this, seed, "seeds", children.length + 1) as readonly SpaceSeed[];
    return [this.seedSelf(own as number | undefined), ...children.map((space, i) => space.seed(rest[i]))];
  }

  /**
   * `mask` and `probability`: `[of the nodes, of the edges]` for the batched spaces; without `numEdges` the second is
   * that of one edge and holds for all.
   */
  sample(options: GraphSampleOptions = {}): GraphInstance<N, E> {
    checkSampleOptions(options);
    const numNodes = this.#count(options.numNodes ?? 10, 1, "numNodes");
    const given = options.mask ?? options.probability;
    const [ofNodes, ofEdges] = given === undefined ? [] : partsOf(this, given, "restrictions", 2);
    const drawn = numNodes > 1 ? () => this.rng.integers(0, numNodes * (numNodes - 1)) : () => 0;
    const numEdges = options.numEdges === undefined ? drawn() : this.#count(options.numEdges, 0, "numEdges");
    const perEdge =
      options.numEdges === undefined && ofEdges !== undefined && ofEdges !== null
        ? Array.from({ length: numEdges }, () => ofEdges)
        : ofEdges;
    const restrict = (value: unknown): SampleOptions =>
      options.mask === undefined ? { probability: value ?? undefined } : { mask: value ?? undefined };
    const nodes = this.#sampleBatch(this.nodeSpace, numNodes, restrict(ofNodes));
    if (this.edgeSpace === null || numEdges === 0) return this.#instance(nodes, null, null);
    const edges = this.#sampleBatch(this.edgeSpace, numEdges, restrict(perEdge));
    return this.#instance(
      nodes,
      edges,
      this.rng.integers(0, numNodes, { size: [numEdges, 2], dtype: "int32" }),
    );
  }

  #instance(nodes: unknown, edges: unknown, edgeLinks: NdArray<"int32"> | null): GraphInstance<N, E> {
    return { nodes, edges, edgeLinks } as GraphInstance<N, E>;
  }

  #count(count: number, least: number, name: string): number {
    if (Number.isInteger(count) && count >= least) return count;
    return fail({
      code: "INVALID_ARGUMENT",
      what: `${name} of a sampled graph`,
      expected: `an integer from ${least} on`,
      got: `${count}`,
    });
  }

  #sampleBatch(space: Space, n: number, options: SampleOptions): unknown {
    const batch = space.batch(n).sample(options);
    // The batch drew from a copy of the generator: move on, or the next graph would have the same features.
    space.rng.random();
    return batch;
  }

  contains(value: unknown): value is GraphInstance<N, E> {
    if (!isRecord(value)) return false;
    const { nodes, edges = null, edgeLinks = null } = value;
    const numNodes = this.nodeSpace.batchLength(nodes);
    if (numNodes === undefined || !isBatchOf(this.nodeSpace, nodes, numNodes)) return false;
    if (edges === null || edgeLinks === null) return edges === edgeLinks;
    const numEdges = this.edgeSpace?.batchLength(edges);
    if (this.edgeSpace === null || numEdges === undefined || !isNdArray(edgeLinks)) return false;
    const kind = kindOf(edgeLinks.dtype);
    if (kind === "f" || kind === "b" || String(edgeLinks.shape) !== String([numEdges, 2])) return false;
    for (const link of edgeLinks.data) if (link < 0 || link >= numNodes) return false;
    return isBatchOf(this.edgeSpace, edges, numEdges);
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Graph &&
      this.nodeSpace.equals(other.nodeSpace) &&
      (this.edgeSpace === null ? other.edgeSpace === null : this.edgeSpace.equals(other.edgeSpace))
    );
  }

  sameShape(other: Space): boolean {
    if (!(other instanceof Graph) || !this.nodeSpace.sameShape(other.nodeSpace as Space)) return false;
    if (this.edgeSpace === null || other.edgeSpace === null) return this.edgeSpace === other.edgeSpace;
    return this.edgeSpace.sameShape(other.edgeSpace as Space);
  }

  copy(): Graph<N, E> {
    return this.withRngState(
      new Graph<N, E>(this.nodeSpace.copy() as N, (this.edgeSpace?.copy() ?? null) as E),
    );
  }

  toJSON(): SpaceJSON {
    return {
      kind: this.kind,
      nodeSpace: this.nodeSpace.toJSON(),
      edgeSpace: this.edgeSpace?.toJSON() ?? null,
    };
  }

  override toString(): string {
    return `Graph(${this.nodeSpace}, ${this.edgeSpace ?? "None"})`;
  }

  override toJsonable(samples: readonly GraphInstance<N, E>[]): unknown {
    return samples.map(({ nodes, edges, edgeLinks }) => ({
      nodes: batchJson(this.nodeSpace, nodes),
      ...(edges === null || edgeLinks === null || this.edgeSpace === null
        ? {}
        : { edges: batchJson(this.edgeSpace, edges), edge_links: toNested(edgeLinks) }),
    }));
  }

  override fromJsonable(json: unknown): GraphInstance<N, E>[] {
    return (json as { nodes: unknown; edges?: unknown; edge_links?: unknown }[]).map((sample) => {
      const nodes = this.nodeSpace.batch(1).fromJsonable(sample.nodes)[0];
      if (sample.edges === undefined || this.edgeSpace === null) return this.#instance(nodes, null, null);
      const edges = this.edgeSpace.batch(1).fromJsonable(sample.edges)[0];
      return this.#instance(nodes, edges, fromNested(sample.edge_links, "int32", [0, 2]));
    });
  }

  flatSpace(): Graph {
    return new Graph(this.nodeSpace.flatSpace(), this.edgeSpace?.flatSpace() ?? null);
  }

  /** The same graph over flattened features: nodes [n, flatdim], edges [m, flatdim]. */
  flatten(value: GraphInstance<N, E>): Element {
    return this.#mapped(value, this, (space, item) => space.flatten(item)) as unknown as Element;
  }

  unflatten(flat: Element): GraphInstance<N, E> {
    const graph = flat as unknown as GraphInstance<N, E>;
    if (!isRecord(flat)) notOfSpace(this, "a graph", typeof flat);
    return this.#mapped(graph, this.flatSpace(), (space, item) => space.unflatten(item as Element));
  }

  /** A graph with `change` applied to every feature; `from` is the space of `graph`. */
  #mapped(
    graph: GraphInstance<N, E>,
    from: Graph,
    change: (space: Space, item: unknown) => unknown,
  ): GraphInstance<N, E> {
    const features = (own: Space, source: Space, batch: unknown): unknown => {
      const n = source.batchLength(batch) ?? 0;
      const items = n === 0 ? [] : [...source.batch(n).iterate(batch)];
      const target = source === own ? own.flatSpace() : own;
      return target.concatenate(
        items.map((item) => change(own, item)),
        target.createEmpty(n),
      );
    };
    const nodes = features(this.nodeSpace, from.nodeSpace, graph.nodes);
    if (graph.edges === null || this.edgeSpace === null || from.edgeSpace === null)
      return this.#instance(nodes, null, null);
    return this.#instance(nodes, features(this.edgeSpace, from.edgeSpace, graph.edges), graph.edgeLinks);
  }

  protected override emptyElement(make: ArrayMaker): Element {
    const edges = this.edgeSpace === null ? null : this.edgeSpace.createEmpty(1, make);
    const edgeLinks = edges === null ? null : make("int32", [1, 2]);
    return { nodes: this.nodeSpace.createEmpty(1, make), edges, edgeLinks };
  }
}

function isBatchOf(space: Space, batch: unknown, n: number): boolean {
  return n === 0 || space.batch(n).contains(batch);
}

/** A batch of features in Gymnasium's layout: a list of one batch. */
function batchJson(space: Space, batch: unknown): unknown {
  const n = space.batchLength(batch) ?? 0;
  return n === 0 ? [[]] : space.batch(n).toJsonable([batch]);
}
