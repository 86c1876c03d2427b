/** @file One robot's connection to the policy server: openpi's dialect and the superset. */

import { decodeMap, skimMap, type WireMap } from "../codec.ts";
import type { InferenceResult } from "../inference.ts";
import type { Session } from "../session.ts";
import type { FairBatcher, Job, JobOwner } from "./batcher.ts";
import { closeCodes } from "./closing.ts";
import type { Peer } from "./peer.ts";
import { type Control, controlKeys } from "./requests.ts";
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
export class PolicyConnection extends SessionConnection<PolicySession> implements JobOwner {
  private readonly context: PolicyContext;
  private previousTotalMs: number | undefined;

  constructor(peer: Peer, context: PolicyContext) {
    super(peer, context);
    this.context = context;
  }

  /** Only the control keys of a request for inference: its observation is read and checked where that happens. */
  protected override read(bytes: Uint8Array): WireMap {
    const { limits } = this.context;
    const control = skimMap(bytes, controlKeys, limits);
    const toInfer = control.op === undefined && (control.endpoint ?? "infer") === "infer";
    return toInfer ? control : decodeMap(bytes, { limits });
  }

  protected override serve(session: Session<PolicySession>, received: Received): void {
    const { endpoint, seq } = received.control;
    if (endpoint === "infer") return this.enqueue(session, received);
    if (endpoint === "reset") return this.reset(session, received.control);
    this.fault({ code: "PROTOCOL", message: `unknown endpoint "${endpoint}"` }, seq);
  }

  protected override left(session: Session<PolicySession>): void {
    this.context.batcher.drop(session.key);
  }

  protected override quiet(): Promise<void> {
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

  private enqueue(session: Session<PolicySession>, received: Received): void {
    const { state, key } = session;
    const { seq, tMono, episode } = received.control;
    if (seq === undefined && this.context.batcher.queued(key) >= this.context.limits.maxLockstepQueue) {
      this.peer.fault("PROTOCOL", "requests without seq came faster than their answers");
      return this.peer.close(closeCodes.policyViolation, "wait for the reply, or number requests with seq");
    }
    const begins = state.begins || (episode !== undefined && episode !== state.episode);
    state.begins = false;
    state.episode = episode ?? state.episode;
    const epoch = seq === undefined ? undefined : session.epoch;
    const superseded = this.context.batcher.submit({
      session: key,
      bytes: received.bytes,
      size: received.size,
      stamp: { seq, tMono, episode, epoch, previousTotalMs: this.previousTotalMs, queueMs: 0 },
      begins,
      submittedMs: received.atMs,
      owner: this,
    });
    if (superseded?.stamp.seq === undefined) return;
    this.context.emit({
      type: "superseded",
      peer: this.peer.id,
      session: session.id,
      seq: superseded.stamp.seq,
    });
  }

  /** A job of this connection has run; its session may have moved to another connection meanwhile. */
  settled(job: Job, result: InferenceResult, inferMs: number): void {
    const { peer, session } = this;
    if (session?.key !== job.session || session.peer !== peer || !peer.open) return;
    if ("error" in result) {
      const malformed = result.error.code === "PROTOCOL";
      const close = malformed ? closeCodes.invalidPayload : closeCodes.internalError;
      return this.fault(result.error, job.stamp.seq, close);
    }
    const { bytes, encodeMs } = result;
    const bytesOut = bytes.byteLength;
    peer.send(bytes);
    this.forgive();
    this.previousTotalMs = performance.now() - job.submittedMs;
    this.context.emit({
      type: "request",
      peer: peer.id,
      session: session.id,
      endpoint: "infer",
      bytesIn: job.size,
      bytesOut,
      queueMs: job.stamp.queueMs,
      inferMs,
      encodeMs,
    });
  }
}
