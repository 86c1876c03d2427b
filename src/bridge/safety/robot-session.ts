/** @file An operator's session with a robot: heartbeats, sequence numbers, the newest observation, and coming back after a loss. */

import { ReverieError, fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { makeBackoff } from "./backoff.ts";
import type { Connect, OperatorChannel } from "./channel.ts";
import { protocolVersion } from "./protocol.ts";
import type { OperatorMessage, RobotMessage } from "./protocol.ts";

/** The robot's first message. */
export type Welcome = RobotMessage & { op: "welcome" };

/** One observation. */
export type Observed = RobotMessage & { op: "obs" };

/** What a session tells whoever watches. */
export type SessionEvent =
  | { readonly type: "connected"; readonly resumed: boolean }
  | { readonly type: "lost"; readonly reason: string }
  | { readonly type: "pong"; readonly roundTripMs: number }
  | { readonly type: "message"; readonly message: RobotMessage };

/** Settings of a session. */
export interface SessionOptions {
  /** Names of the action vector that the operator was made for; a robot with others refuses it. */
  readonly channels?: readonly string[];
  /** How long to wait for the robot and for an observation, connecting again included. Default 5000. */
  readonly timeoutMs?: number;
  readonly onEvent?: (event: SessionEvent) => void;
}

/** When actions hold. Times are of the robot's clock, as observations bear them. */
export interface ActTiming {
  /** How long each row lasts. */
  readonly stepSeconds: number;
  /** Stamp of the observation that they answer; the newest when absent. */
  readonly observed?: number;
  /** When row 0 begins; its arrival when absent. */
  readonly start?: number;
}

const defaultTimeoutMs = 5000;

interface Waiter {
  readonly wants: (observed: Observed) => boolean;
  readonly resolve: (observed: Observed) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Connection and state of one operator. Nothing that was sent before a loss is ever sent again. */
export class RobotSession {
  private readonly connect: Connect;
  private readonly options: SessionOptions;
  private readonly backoff = makeBackoff({ firstMs: 250, mostMs: 10_000 });
  private readonly waiters = new Set<Waiter>();
  private channel: OperatorChannel | undefined;
  private greeting: Welcome | undefined;
  private newest: Observed | undefined;
  private stamp: number | undefined;
  private earned = 0;
  private seq = -1;
  private resetIds = 0;
  private resetting: OperatorMessage | undefined;
  private beat: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private ended = false;
  private greeted: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(connect: Connect, options: SessionOptions = {}) {
    this.connect = connect;
    this.options = options;
  }

  /**
   * Connect, and shake hands as soon as the robot is there.
   *
   * @throws PROTOCOL when this robot is another than expected, CONNECTION_LOST when nobody listens, TIMEOUT
   */
  async open(): Promise<Welcome> {
    const { timeoutMs = defaultTimeoutMs } = this.options;
    const timer = setTimeout(() => {
      const what = `no robot behind this address in ${timeoutMs} ms`;
      this.greeted?.reject(
        new ReverieError({ code: "TIMEOUT", what, fix: "see whether the robot is switched on" }),
      );
    }, timeoutMs);
    try {
      await this.dial();
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return this.welcome;
  }

  /** What the robot said of itself. @throws ENV_CLOSED before `open` */
  get welcome(): Welcome {
    return (
      this.greeting ??
      fail({ code: "ENV_CLOSED", what: "not connected to a robot yet", fix: "await open() first" })
    );
  }

  /** Whether messages reach the robot now. */
  get connected(): boolean {
    return this.channel !== undefined;
  }

  /** The newest observation. */
  get latest(): Observed | undefined {
    return this.newest;
  }

  /** Send actions float [H, A] in the channels' units; returns their sequence number. */
  act(actions: NdArray, timing: ActTiming): number {
    this.seq += 1;
    const { seq } = this;
    const { stepSeconds, observed = this.newest?.stamp, start } = timing;
    this.send({ op: "act", seq, observed, start, step_seconds: stepSeconds, actions });
    return seq;
  }

  /** The next observation that `wants` accepts. @throws TIMEOUT, CONNECTION_LOST */
  next(wants: (observed: Observed) => boolean): Promise<Observed> {
    return this.wait(wants);
  }

  /** Begin a new episode; resolves with its first observation. @throws TIMEOUT, CONNECTION_LOST, RUN_BUSY */
  async reset(seed?: number, options?: Record<string, unknown>): Promise<Observed> {
    const id = ++this.resetIds;
    const first = this.wait(({ reset }) => reset === id);
    this.resetting = { op: "reset", id, seed, options };
    this.send(this.resetting);
    const observed = await first;
    this.resetting = undefined;
    return observed;
  }

  /** Rewards of all observations since the last call or reset: a slow operator skips observations, not rewards. */
  takeReward(): number {
    const { earned } = this;
    this.earned = 0;
    return earned;
  }

  /** Stop the robot; with `latch` for everybody until `release`. */
  stop(latch: boolean): void {
    this.send({ op: "stop", latch });
  }

  /** Undo a stop. */
  release(): void {
    this.send({ op: "release" });
  }

  /** End the session: the robot stops. */
  close(): void {
    this.ended = true;
    clearInterval(this.beat);
    clearTimeout(this.retry);
    this.channel?.close();
    this.channel = undefined;
    this.failWaiters(new ReverieError({ code: "ENV_CLOSED", what: "the session was closed" }));
  }

  private send(message: OperatorMessage): void {
    this.channel?.send(message);
  }

  private async dial(): Promise<void> {
    const shaken = new Promise<void>((resolve, reject) => {
      this.greeted = { resolve, reject };
    });
    let mine: OperatorChannel | undefined;
    let over = false;
    const closed = (reason: string): void => {
      over = true;
      this.lost(mine, reason);
    };
    const opened = this.connect({ message: (message) => this.receive(message), closed });
    const hello = async (): Promise<void> => {
      try {
        mine = await opened;
      } catch (cause) {
        return this.lost(undefined, (cause as Error).message);
      }
      if (over || this.ended) return mine.close();
      this.channel = mine;
      const { channels } = this.options;
      mine.send({ op: "hello", protocol: protocolVersion, channels, session: this.greeting?.session });
    };
    await Promise.all([hello(), shaken]);
  }

  private lost(channel: OperatorChannel | undefined, reason: string): void {
    const error = new ReverieError({
      code: "CONNECTION_LOST",
      what: "the connection to the robot is gone",
      got: reason,
    });
    clearInterval(this.beat);
    if (channel !== undefined && this.channel === channel) this.channel = undefined;
    if (this.greeting === undefined) this.greeted?.reject(error);
    if (this.ended || this.greeting === undefined) return;
    this.options.onEvent?.({ type: "lost", reason });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.again(), this.backoff.next());
  }

  private again(): void {
    // Its failure is heard by `lost`, which plans the next attempt.
    this.dial().catch(() => undefined);
  }

  private receive(message: RobotMessage): void {
    if (message.op === "welcome") this.welcomed(message);
    else if (message.op === "obs") this.observed(message);
    else if (message.op === "pong") this.ponged(message);
    else if (message.op === "error") this.erred(message);
    this.options.onEvent?.({ type: "message", message });
  }

  private welcomed(welcome: Welcome): void {
    const before = this.greeting;
    if (before !== undefined && !sameRobot(before, welcome)) {
      this.close();
      return;
    }
    this.greeting = welcome;
    this.seq = Math.max(this.seq, welcome.seq);
    this.stamp = welcome.stamp;
    this.backoff.reset();
    clearInterval(this.beat);
    this.beat = setInterval(
      () => this.send({ op: "hb", observed: this.stamp, t: performance.now() }),
      welcome.heartbeat_ms,
    );
    this.greeted?.resolve();
    if (this.resetting !== undefined) this.send(this.resetting);
    this.options.onEvent?.({ type: "connected", resumed: before !== undefined });
  }

  private observed(observed: Observed): void {
    this.newest = observed;
    this.earned = observed.reset === undefined ? this.earned + observed.reward : 0;
    this.stamp = observed.stamp;
    this.send({ op: "credit" });
    for (const waiter of this.waiters) {
      if (!waiter.wants(observed)) continue;
      this.waiters.delete(waiter);
      clearTimeout(waiter.timer);
      waiter.resolve(observed);
    }
  }

  /** A pong's stamp keeps heartbeats fresh; it does not make an action fresh, whose stamp is its observation's. */
  private ponged({ t }: RobotMessage & { op: "pong" }): void {
    if (t !== undefined) this.options.onEvent?.({ type: "pong", roundTripMs: performance.now() - t });
  }

  private erred({ code, message }: RobotMessage & { op: "error" }): void {
    const busy = code === "RUN_BUSY";
    const error = new ReverieError({
      code: busy ? code : "PROTOCOL",
      what: "the robot refused",
      got: message,
    });
    if (this.greeting === undefined) this.greeted?.reject(error);
    else this.failWaiters(error);
  }

  private wait(wants: Waiter["wants"]): Promise<Observed> {
    if (this.ended) fail({ code: "ENV_CLOSED", what: "the session was closed" });
    const { timeoutMs = defaultTimeoutMs } = this.options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        const got = this.connected ? "silence" : "no connection";
        reject(
          new ReverieError({
            code: "TIMEOUT",
            what: `no observation from the robot in ${timeoutMs} ms`,
            got,
          }),
        );
      }, timeoutMs);
      const waiter: Waiter = { wants, resolve, reject, timer };
      this.waiters.add(waiter);
    });
  }

  private failWaiters(error: Error): void {
    for (const { reject, timer } of this.waiters) {
      clearTimeout(timer);
      reject(error);
    }
    this.waiters.clear();
  }
}

function sameRobot(a: Welcome, b: Welcome): boolean {
  const names = ({ channels }: Welcome): string => JSON.stringify(channels);
  return a.device.name === b.device.name && names(a) === names(b);
}
