/** @file Which trajectories a learner has counted: a few numbers per producer, saved with its checkpoint. */

/** What a checkpoint holds of a ledger: per producer, the number below which all are counted, and counted ones beyond. */
export type LedgerRecord = Readonly<Record<string, { readonly below: number; readonly beyond: number[] }>>;

/** Counts every (producer, number) once; numbers begin with 0 and come nearly in order. */
export class Ledger {
  readonly #producers = new Map<string, { below: number; readonly beyond: Set<number> }>();

  constructor(record: LedgerRecord = {}) {
    for (const [producer, { below, beyond }] of Object.entries(record))
      this.#producers.set(producer, { below, beyond: new Set(beyond) });
  }

  /** @returns false when it was counted before */
  count(producer: string, number: number): boolean {
    const own = this.#producers.get(producer) ?? { below: 0, beyond: new Set<number>() };
    if (number < own.below || own.beyond.has(number)) return false;
    own.beyond.add(number);
    while (own.beyond.delete(own.below)) own.below++;
    this.#producers.set(producer, own);
    return true;
  }

  record(): LedgerRecord {
    return Object.fromEntries(
      [...this.#producers].map(([producer, { below, beyond }]) => [producer, { below, beyond: [...beyond] }]),
    );
  }
}
