/** @file Newest observation wins: a consumer that falls behind gets the latest, never a queue. */

/** Sends at most `credits` unanswered messages; of what comes meanwhile only the newest waits. */
export class Outlet<T> {
  private readonly send: (message: T) => void;
  private credits: number;
  private waiting: T | undefined;
  private dropped = 0;

  constructor(credits: number, send: (message: T) => void) {
    this.credits = credits;
    this.send = send;
  }

  /** Send now or when the consumer has caught up. */
  offer(message: T): void {
    if (this.credits > 0) {
      this.credits -= 1;
      this.send(message);
      return;
    }
    if (this.waiting !== undefined) this.dropped += 1;
    this.waiting = message;
  }

  /** The consumer has taken one. */
  credit(): void {
    if (this.waiting === undefined) {
      this.credits = Math.min(this.credits + 1, maxCredits);
      return;
    }
    const message = this.waiting;
    this.waiting = undefined;
    this.send(message);
  }

  /** Messages that were never sent because a newer one came. */
  get drops(): number {
    return this.dropped;
  }
}

/** A consumer that sends credits it was not owed must not turn the outlet into a queue. */
const maxCredits = 2;
