/** @file A policy behind a socket, as a robot uses it: deadlines, the newest observation wins, no late action is taken for a new one. */

import { randomUUID } from "node:crypto";
import { ReverieError } from "../core/errors.ts";
import { isNdArray, type NdArray } from "../core/ndarray.ts";
import { Link, type LinkOptions } from "./client/link.ts";
import { encodeBoth, isWireMap, type WireMap, type WireValue } from "./codec.ts";
import { NewestWins } from "./wire/credits.ts";

/** Options of a connection to a policy server. */
export interface RemotePolicyOptions extends LinkOptions {
  /** Default: a random id. The same id finds the same session after a restart of this process. */
  readonly sessionId?: string;
  /** How long `infer` waits. Default 1000. */
  readonly timeoutMs?: number;
  /** Observations of `offer` that may be unanswered. Default 2. */
  readonly credits?: number;
  /** Go on with another model after a reconnect. Default false: the link ends. */
  readonly acceptModelChange?: boolean;
  /** Replies to `offer`. */
  readonly onReply?: (reply: PolicyReply) => void;
  /** Errors that belong to no call: lost connections, and typed errors that answer an `offer`. */
  readonly onError?: (error: ReverieError) => void;
}

/** What the server decided. */
export interface PolicyReply {
  readonly seq: number;
  /** float32 or float64 [horizon, A] by openpi's convention. */
  readonly actions: NdArray;
  /** `performance.now()` when the observation was handed over: the age of these actions counts from here. */
  readonly observedMs: number;
  readonly roundTripMs: number;
  /** The whole reply. */
  readonly message: WireMap;
}

interface Outstanding {
  readonly observedMs: number;
  /** Whom to tell; an `offer` has nobody waiting. */
  readonly settle?: {
    readonly resolve: (reply: PolicyReply) => void;
    readonly reject: (error: ReverieError) => void;
  };
}

interface Superset {
  readonly model: WireValue;
}

/** A connection to a policy server: ours, or a stock openpi one. */
export class RemotePolicy {
  /** The server's first message. */
  metadata: WireMap = {};
  readonly sessionId: string;
  private readonly options: RemotePolicyOptions;
  private readonly link: Link;
  private readonly offers: NewestWins<{ readonly observation: WireMap; readonly observedMs: number }>;
  private readonly outstanding = new Map<number, Outstanding>();
  private superset: Superset | undefined;
  private nextSeq = 0;
  private epoch = 0;
  private episode = 0;
  private timer: NodeJS.Timeout | undefined;
  private failure: ReverieError | undefined;
  private readonly openers: ((error: ReverieError | undefined) => void)[] = [];

  constructor(options: RemotePolicyOptions) {
    this.options = options;
    this.sessionId = options.sessionId ?? randomUUID();
    this.offers = new NewestWins(
      ({ observation, observedMs }) => this.post(observation, { observedMs }),
      options.credits ?? 2,
    );
    this.link = new Link(options, {
      opened: (greeting) => this.opened(greeting),
      message: (message) => this.received(message),
      text: (text) => this.reportedText(text),
      lost: (error) => this.lost(error),
      ended: (error) => this.ended(error),
      heartbeat: () => (this.superset === undefined ? undefined : { op: "hb", t_mono: performance.now() }),
    });
  }

  /** Is the server there? */
  get connected(): boolean {
    return this.link.open;
  }

  /** Observations that newer ones replaced before they were sent. */
  get superseded(): number {
    return this.offers.superseded;
  }

  /** Connect. @throws TIMEOUT, UNAUTHORIZED or PROTOCOL */
  async open(): Promise<this> {
    const opened = new Promise<void>((resolve, reject) => {
      this.openers.push((error) => (error === undefined ? resolve() : reject(error)));
    });
    this.link.start();
    await opened;
    return this;
  }

  /**
   * Ask for one decision and wait for it.
   * @throws TIMEOUT when the reply is late (it will be ignored), CONNECTION_LOST, or the server's error
   */
  infer(observation: WireMap): Promise<PolicyReply> {
    return new Promise((resolve, reject) => {
      this.post(observation, { observedMs: performance.now(), settle: { resolve, reject } });
      this.guard(this.options.timeoutMs ?? 1000);
    });
  }

  /**
   * Hand over an observation; replies come to `onReply`. Without credit only the newest is kept.
   * @returns false when there is no connection: the observation is dropped, for it would be old by the time there is
   */
  offer(observation: WireMap): boolean {
    if (!this.connected) return false;
    this.offers.offer({ observation, observedMs: performance.now() });
    return true;
  }

  /** The next observation begins a new episode; unanswered ones of the old are forgotten. */
  beginEpisode(): void {
    this.episode++;
    this.abandon(this.error("INTERRUPTED", "the episode ended before the reply came"));
  }

  /** Disconnect for good. */
  close(): void {
    this.link.send({ op: "bye" });
    this.link.close();
    this.failure ??= this.error("CONNECTION_LOST", "closed by this side");
    this.abandon(this.failure);
    clearTimeout(this.timer);
  }

  private post(observation: WireMap, outstanding: Outstanding): void {
    const seq = this.nextSeq++;
    if (this.failure !== undefined) return outstanding.settle?.reject(this.failure);
    this.outstanding.set(seq, outstanding);
    const { superset, sessionId: session_id, episode } = this;
    const control = { session_id, episode, seq, t_mono: outstanding.observedMs };
    if (!this.link.send(superset === undefined ? observation : encodeBoth(observation, control)))
      this.fail(seq, this.error("CONNECTION_LOST", "not connected"));
  }

  /** One timer for all deadlines: it looks after the oldest question, and goes on while there are others. */
  private guard(timeoutMs: number, afterMs: number = timeoutMs): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const nowMs = performance.now();
      for (const [seq, { observedMs, settle }] of this.outstanding) {
        if (settle === undefined) continue;
        const leftMs = observedMs + timeoutMs - nowMs;
        if (leftMs > 0) return this.guard(timeoutMs, leftMs);
        this.expire(seq);
      }
    }, afterMs);
  }

  private opened(greeting: WireMap): void {
    const superset = isWireMap(greeting.reverie) ? { model: greeting.reverie.model ?? null } : undefined;
    const changed = this.superset !== undefined && superset?.model !== this.superset.model;
    if (changed && this.options.acceptModelChange !== true) {
      throw this.error("CHECKPOINT_MISMATCH", "the server came back with another model");
    }
    this.metadata = greeting;
    this.superset = superset;
    if (superset === undefined) return this.ready();
    this.link.send({ op: "hello", session_id: this.sessionId });
  }

  private ready(): void {
    for (const opener of this.openers.splice(0)) opener(undefined);
  }

  private received(message: WireMap): void {
    if (message.op === "session") {
      this.epoch = message.epoch as number;
      this.nextSeq = Math.max(this.nextSeq, (message.last_seq as number) + 1);
      return this.ready();
    }
    if (message.op === "error") return this.reported(message);
    if (message.op !== undefined) return;
    const seq = this.superset === undefined ? this.oldest() : message.seq;
    const oldEpoch = message.epoch !== undefined && message.epoch !== this.epoch;
    if (typeof seq !== "number" || seq >= this.nextSeq || oldEpoch) return;
    this.replied(seq, message);
  }

  private replied(seq: number, message: WireMap): void {
    const outstanding = this.outstanding.get(seq);
    this.settleUpTo(seq);
    if (outstanding === undefined) return;
    const { settle, observedMs } = outstanding;
    const { actions } = message;
    if (!isNdArray(actions)) {
      const error = this.error("PROTOCOL", "the reply holds no array named actions");
      if (settle === undefined) this.options.onError?.(error);
      else settle.reject(error);
      return;
    }
    const reply = { seq, actions, observedMs, roundTripMs: performance.now() - observedMs, message };
    if (settle === undefined) this.options.onReply?.(reply);
    else settle.resolve(reply);
  }

  /** A reply to `seq` settles everything older too: the server superseded it. */
  private settleUpTo(seq: number): void {
    for (const [older, { settle }] of this.outstanding) {
      if (older > seq) break;
      this.outstanding.delete(older);
      if (settle === undefined) this.offers.acknowledge();
      else if (older < seq) settle.reject(this.error("TIMEOUT", "a newer observation took its place"));
    }
  }

  private reported({ code, message, seq }: WireMap): void {
    const error = this.error("PROTOCOL", `${code as string}: ${message as string}`);
    if (typeof seq === "number" && this.outstanding.has(seq)) this.fail(seq, error);
    else this.options.onError?.(error);
  }

  private reportedText(text: string): void {
    const seq = this.oldest();
    const error = this.error("PROTOCOL", `error in inference server: ${text}`);
    if (seq === undefined) this.options.onError?.(error);
    else this.fail(seq, error);
  }

  private fail(seq: number, error: ReverieError): void {
    const outstanding = this.outstanding.get(seq);
    if (outstanding === undefined) return;
    this.outstanding.delete(seq);
    if (outstanding.settle !== undefined) return outstanding.settle.reject(error);
    this.options.onError?.(error);
    this.offers.acknowledge();
  }

  /** A stock server's late reply could be taken for the next one's, so its socket goes. */
  private expire(seq: number): void {
    if (!this.outstanding.has(seq)) return;
    this.fail(seq, this.error("TIMEOUT", `no reply within ${this.options.timeoutMs ?? 1000} ms`));
    if (this.superset === undefined) this.link.renew("a reply was late");
  }

  private oldest(): number | undefined {
    return this.outstanding.keys().next().value;
  }

  private lost(error: ReverieError): void {
    this.abandon(error);
    this.options.onError?.(error);
  }

  private ended(error: ReverieError): void {
    this.failure = error;
    this.abandon(error);
    for (const opener of this.openers.splice(0)) opener(error);
    this.options.onError?.(error);
  }

  /** Nothing under way will be answered any more. */
  private abandon(error: ReverieError): void {
    const all = [...this.outstanding.values()];
    this.outstanding.clear();
    this.offers.reset();
    for (const { settle } of all) settle?.reject(error);
  }

  private error(code: ReverieError["code"], what: string): ReverieError {
    return new ReverieError({ code, what, fix: `look at the policy server at ${this.options.url}` });
  }
}

/** Connect to a policy server. @throws TIMEOUT, UNAUTHORIZED or PROTOCOL */
export function openRemotePolicy(options: RemotePolicyOptions): Promise<RemotePolicy> {
  return new RemotePolicy(options).open();
}
