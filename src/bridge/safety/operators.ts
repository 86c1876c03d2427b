/** @file Who may command: operator sessions, their leases, and which sequence numbers are spent. */

/** One connected operator. */
export interface Operator {
  readonly id: string;
  /** Counts connections of this robot; a message of an earlier connection carries a lower one and is refused. */
  readonly epoch: number;
  readonly openedMs: number;
  heardMs: number;
}

/** Sessions of one robot. Spent sequence numbers outlive a connection, so that a resumed session cannot repeat one. */
export class Operators {
  private readonly live = new Map<string, Operator>();
  private readonly spent = new Map<string, number>();
  private epochs = 0;

  /** A connection begins or is resumed; an older connection of the same session is superseded. */
  open(id: string, nowMs: number): Operator {
    this.epochs += 1;
    const operator = { id, epoch: this.epochs, openedMs: nowMs, heardMs: nowMs };
    this.live.set(id, operator);
    return operator;
  }

  /** A connection ends; false when it had been superseded or never was. */
  close(id: string, epoch: number): boolean {
    if (this.find(id, epoch) === undefined) return false;
    this.live.delete(id);
    return true;
  }

  /** The live session, if `epoch` is its newest connection. */
  find(id: string, epoch: number): Operator | undefined {
    const operator = this.live.get(id);
    return operator?.epoch === epoch ? operator : undefined;
  }

  /** Highest sequence number that a session has used; −1 before the first. */
  highest(id: string): number {
    return this.spent.get(id) ?? -1;
  }

  /** Use up a sequence number. */
  spend(id: string, seq: number): void {
    this.spent.delete(id);
    this.spent.set(id, seq);
    // Ids are chosen by clients: remember the newest thousand and no more.
    if (this.spent.size > 1000) this.forgetOldest();
  }

  /** Sessions connected now. */
  get count(): number {
    return this.live.size;
  }

  private forgetOldest(): void {
    for (const id of this.spent.keys()) {
      if (this.live.has(id)) continue;
      this.spent.delete(id);
      return;
    }
  }
}
