/** @file Credit-based sending: a slow consumer gets the newest thing, never a backlog. */

/**
 * Sends at most `credits` unacknowledged items; while none is left, only the newest offer is kept. A consumer that
 * stalls therefore finds at most `credits` old items and one new one, and the sender holds one.
 */
export class NewestWins<T> {
  private readonly send: (item: T) => void;
  private readonly merge: (older: T, newer: T) => T;
  private readonly capacity: number;
  private pending: { readonly item: T } | undefined;
  private free: number;
  private lost = 0;

  /** `merge` makes what is sent instead of two, when the older was never sent; default: the newer. */
  constructor(
    send: (item: T) => void,
    credits: number,
    merge: (older: T, newer: T) => T = (_, newer) => newer,
  ) {
    this.send = send;
    this.merge = merge;
    this.capacity = credits;
    this.free = credits;
  }

  /** Items that a newer one replaced before they were sent. */
  get superseded(): number {
    return this.lost;
  }

  /** Items sent and not acknowledged. */
  get outstanding(): number {
    return this.capacity - this.free;
  }

  /** Send `item` now or, without credit, as soon as one returns unless a newer item comes first. */
  offer(item: T): void {
    if (this.free > 0) {
      this.free--;
      this.send(item);
      return;
    }
    if (this.pending === undefined) {
      this.pending = { item };
      return;
    }
    this.lost++;
    this.pending = { item: this.merge(this.pending.item, item) };
  }

  /** The consumer has dealt with `count` items. Surplus acknowledgements are ignored. */
  acknowledge(count = 1): void {
    this.free = Math.min(this.capacity, this.free + count);
    while (this.pending !== undefined && this.free > 0) {
      const { item } = this.pending;
      this.pending = undefined;
      this.free--;
      this.send(item);
    }
  }

  /** Forget everything under way, as after a reconnect. */
  reset(): void {
    this.pending = undefined;
    this.free = this.capacity;
  }
}
