/** @file Spaces whose elements do not stack into arrays: a batch of them is a list, its space a Tuple of copies. */

import { zeros } from "../ndarray.ts";
import { BaseSpace, cannotBatch } from "./space.ts";
import type { ArrayMaker, Element, Space } from "./space.ts";
import { Tuple, tupleOfCopies } from "./tuple.ts";

/** Base of Text, OneOf, Sequence and Graph, and of spaces of your own that keep their elements apart. */
export abstract class OpaqueSpace<T> extends BaseSpace<T> {
  override readonly iterable = false;

  /** An element to stand in an empty batch; null where the space has none. */
  protected emptyElement(_make: ArrayMaker): Element {
    return null;
  }

  batch(n: number): Tuple<readonly Space<T>[]> {
    return tupleOfCopies<Space<T>>(this as unknown as Space<T>, n);
  }

  batchDiffering(spaces: readonly Space[]): Tuple {
    for (const space of spaces) if (space.kind !== this.kind) cannotBatch(this as unknown as Space, space);
    return new Tuple(
      spaces.map((space) => space.copy()),
      { seed: this.rng.copy() },
    );
  }

  createEmpty(n: number, make: ArrayMaker = zeros): Element {
    return Array.from({ length: n }, () => this.emptyElement(make));
  }

  /** Puts the items into the list `out`, in place. */
  concatenate(items: readonly T[], out: Element): Element {
    if (!Array.isArray(out)) return items as unknown as Element;
    out.splice(0, out.length, ...items);
    return out as Element;
  }

  override batchLength(batch: unknown): number | undefined {
    return Array.isArray(batch) ? batch.length : undefined;
  }

  iterate(items: T): Iterable<unknown> {
    return items as Iterable<unknown>;
  }
}
