/** @file One robot's connection to the policy server: openpi's dialect and the superset. */

import { encodeMerged, Float, type WireMap } from "../codec.ts";
import type { InferenceResult } from "../inference.ts";
import type { Session } from "../session.ts";
import type { FairBatcher } from "./batcher.ts";
import { closeCodes } from "./closing.ts";
import type { Peer } from "./peer.ts";
import type { Control, Request } from "./requests.ts";
import { type ConnectionContext, type Received, SessionConnection } from "./session-connection.ts";

/** What a policy session remembers beside its numbers. */
export interface PolicySession {
  /** The next observation begins an episode. */
  begins: boolean;
  episode: number | undefined;
}

/** What all connections of one policy server share. */
export interface PolicyContext extends ConnectionContext<PolicySession> {
  readonly batcher: FairBatcher;
  readonly resetReply: "map" | "text";
}

/** A robot's connection. */
export class PolicyConnection extends SessionConnection<PolicySession> {
  private readonly context: PolicyContext;
  private previousTotalMs: number | undefined;

  constructor(peer: Peer, context: PolicyContext) {
    super(peer, context);
    this.context = context;
  }

  protected override serve(session: Session<PolicySession>, request: Request, received: Received): void {
    const { endpoint, seq } = request.control;
    if (endpoint === "infer") return this.enqueue(session, request, received);
    if (endpoint === "reset") return this.reset(session, request.control);
    this.fault({ code: "PROTOCOL", message: `unknown endpoint "${endpoint}"` }, seq);
  }

  protected override left(session: Session<PolicySession>): void {
    this.context.batcher.drop(session.key);
  }

  protected override settled(): Promise<void> {
    return this.context.batcher.whenIdle();
  }

  private reset(session: Session<PolicySession>, { seq, tMono }: Control): void {
    session.state.begins = true;
    this.context.batcher.drop(session.key);
    if (seq !== undefined)
      this.peer.send({ seq, t_mono: tMono, epoch: session.epoch, status: "reset successful" });
    else if (this.context.resetReply === "text") this.peer.send("reset successful");
    else this.peer.send({ status: "reset successful" });
  }

  private enqueue(session: Session<PolicySession>, { control, body }: Request, received: Received): void {
    const { state, key } = session;
    if (
      control.seq === undefined &&
      this.context.batcher.queued(key) >= this.context.limits.maxLockstepQueue
    ) {
      this.peer.fault("PROTOCOL", "requests without seq came faster than their answers");
      return this.peer.close(closeCodes.policyViolation, "wait for the reply, or number requests with seq");
    }
    const begins = state.begins || (control.episode !== undefined && control.episode !== state.episode);
    state.begins = false;
    state.episode = control.episode ?? state.episode;
    const superseded = this.context.batcher.submit({
      session: key,
      seq: control.seq,
      observation: body,
      begins,
      settle: (result, timings) => this.settle(session, received, result, timings),
    });
    if (superseded?.seq === undefined) return;
    this.context.emit({ type: "superseded", peer: this.peer.id, session: session.id, seq: superseded.seq });
  }

  private settle(
    session: Session<PolicySession>,
    received: Received,
    result: InferenceResult,
    timings: { readonly queueMs: number; readonly inferMs: number },
  ): void {
    if (session.peer !== this.peer || !this.peer.open) return;
    const { seq, tMono, episode, endpoint } = received.control;
    if ("error" in result) return this.fault(result.error, seq, closeCodes.internalError);
    const startMs = performance.now();
    const epoch = seq === undefined ? undefined : session.epoch;
    const server_timing = timingMap(timings.queueMs, timings.inferMs, this.previousTotalMs);
    const bytes = encodeMerged(result.reply, { seq, t_mono: tMono, episode, epoch, server_timing });
    const nowMs = performance.now();
    const encodeMs = result.encodeMs + nowMs - startMs;
    bytes.writeDoubleBE(encodeMs, bytes.length - 8);
    this.peer.send(bytes);
    this.forgive();
    this.previousTotalMs = nowMs - received.atMs;
    const sizes = { bytesIn: received.bytes, bytesOut: bytes.length };
    this.context.emit({
      type: "request",
      peer: this.peer.id,
      session: session.id,
      endpoint,
      ...sizes,
      ...timings,
      encodeMs,
    });
  }
}

/** Timings as the wire has them; the last number is filled in when everything else is encoded. */
function timingMap(queueMs: number, inferMs: number, totalMs: number | undefined): WireMap {
  const previous = totalMs === undefined ? undefined : new Float(totalMs);
  return {
    queue_ms: new Float(queueMs),
    infer_ms: new Float(inferMs),
    prev_total_ms: previous,
    encode_ms: new Float(0),
  };
}
