/** @file One robot's connection to the policy server: both dialects, faults, and what becomes of its observations. */

import { randomUUID } from "node:crypto";
import { type ReverieError } from "../../core/errors.ts";
import { decodeMap, encodeMerged, Float, type WireMap } from "../codec.ts";
import { describe, type InferenceResult } from "../inference.ts";
import type { ServerLimits } from "../limits.ts";
import type { Session, SessionTable } from "../session.ts";
import type { FairBatcher } from "./batcher.ts";
import { closeCodes } from "./closing.ts";
import type { EventSink } from "./events.ts";
import type { Peer, PeerHandler } from "./peer.ts";
import { type Control, isSuperset, parseRequest, type Request } from "./requests.ts";

/** What a policy session remembers beside its numbers. */
export interface PolicySession {
  /** The next observation begins an episode. */
  begins: boolean;
  episode: number | undefined;
}

/** What all connections of one server share. */
export interface PolicyContext {
  readonly limits: ServerLimits;
  readonly sessions: SessionTable<PolicySession>;
  readonly batcher: FairBatcher;
  readonly greeting: WireMap;
  readonly modelId: string | undefined;
  readonly resetReply: "map" | "text";
  readonly emit: EventSink;
}

interface Received {
  readonly control: Control;
  readonly bytes: number;
  readonly atMs: number;
}

/** A robot's connection. */
export class PolicyConnection implements PeerHandler {
  private readonly peer: Peer;
  private readonly context: PolicyContext;
  private session: Session<PolicySession> | undefined;
  private superset = false;
  private faults = 0;
  private previousTotalMs: number | undefined;
  private draining = false;
  /** The session of a client that names none; nobody else can guess it, and it ends with the connection. */
  private readonly anonymousId = randomUUID();

  constructor(peer: Peer, context: PolicyContext) {
    this.peer = peer;
    this.context = context;
    peer.send(context.greeting);
  }

  message(bytes: Uint8Array): void {
    const atMs = performance.now();
    let request: Request | undefined;
    try {
      request = parseRequest(decodeMap(bytes, { limits: this.context.limits }));
      this.superset ||= isSuperset(request.control);
      this.dispatch(request, { control: request.control, bytes: bytes.byteLength, atMs });
    } catch (error) {
      this.fault(describe(error), request?.control.seq, closeCodes.invalidPayload);
    }
  }

  closed(): void {
    const { session, peer } = this;
    if (session === undefined || session.peer !== peer) return;
    this.context.batcher.drop(session.key);
    this.context.sessions.detach(session, peer);
    if (session.id === this.anonymousId) this.context.sessions.end(session);
  }

  async drain(): Promise<void> {
    this.draining = true;
    if (this.superset) this.peer.send({ op: "drain" });
    await this.context.batcher.whenIdle();
  }

  private dispatch(request: Request, received: Received): void {
    const { control } = request;
    if (control.op !== undefined) return this.operate(control, received);
    const session = this.attach(control.sessionId ?? this.session?.id ?? this.anonymousId);
    if (session === undefined) return;
    if (this.draining) return this.refuse("DRAINING", "server is going away", control.seq);
    if (control.seq !== undefined && control.seq <= session.lastSeq) return this.stale(control.seq, session);
    if (control.seq !== undefined) session.lastSeq = control.seq;
    if (control.endpoint === "reset") return this.reset(session, control);
    if (control.endpoint !== "infer") {
      return this.fault({ code: "PROTOCOL", message: `unknown endpoint "${control.endpoint}"` }, control.seq);
    }
    this.enqueue(session, request, received);
  }

  private operate({ op, sessionId, tMono }: Control, received: Received): void {
    if (op === "hb") return this.peer.send({ op: "hb", t_mono: tMono });
    if (op === "hello") return this.hello(sessionId);
    if (op === "bye") {
      if (this.session?.peer === this.peer) this.context.sessions.end(this.session);
      return this.peer.close(closeCodes.normal, "bye");
    }
    this.fault({ code: "PROTOCOL", message: `unknown op "${op ?? ""}"` }, received.control.seq);
  }

  private hello(sessionId: string | undefined): void {
    const session = this.attach(sessionId ?? this.anonymousId);
    if (session === undefined) return;
    const { id, epoch, lastSeq } = session;
    this.peer.send({
      op: "session",
      session_id: id,
      epoch,
      last_seq: lastSeq,
      model: this.context.modelId ?? null,
    });
  }

  /** The session that this connection speaks for; undefined after it was closed for want of one. */
  private attach(id: string): Session<PolicySession> | undefined {
    if (this.session?.id === id) return this.session.peer === this.peer ? this.session : undefined;
    this.closed();
    try {
      this.session = this.context.sessions.attach(this.peer, id);
    } catch (error) {
      this.peer.fault((error as ReverieError).code, "no room for another session");
      this.peer.close(closeCodes.tryLater, "no room for another session");
      return undefined;
    }
    return this.session;
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
    const { seq, tMono, episode } = received.control;
    if ("error" in result) return this.fault(result.error, seq, closeCodes.internalError);
    const startMs = performance.now();
    const epoch = seq === undefined ? undefined : session.epoch;
    const server_timing = timingMap(timings.queueMs, timings.inferMs, this.previousTotalMs);
    const bytes = encodeMerged(result.reply, { seq, t_mono: tMono, episode, epoch, server_timing });
    const nowMs = performance.now();
    const encodeMs = result.encodeMs + nowMs - startMs;
    bytes.writeDoubleBE(encodeMs, bytes.length - 8);
    this.peer.send(bytes);
    this.faults = 0;
    this.previousTotalMs = nowMs - received.atMs;
    this.context.emit({
      type: "request",
      peer: this.peer.id,
      session: session.id,
      endpoint: received.control.endpoint,
      bytesIn: received.bytes,
      bytesOut: bytes.length,
      ...timings,
      encodeMs,
    });
  }

  private stale(seq: number, session: Session<PolicySession>): void {
    this.peer.fault("STALE_SEQ", `seq ${seq} after ${session.lastSeq}`);
    this.peer.send({
      op: "error",
      code: "STALE_SEQ",
      message: "seq must rise",
      seq,
      last_seq: session.lastSeq,
    });
  }

  private refuse(code: string, message: string, seq: number | undefined): void {
    this.peer.fault(code, message);
    if (seq !== undefined) this.peer.send({ op: "error", code, message, seq });
  }

  /**
   * Answer a fault: a typed error that keeps the connection for clients of the superset, within a budget; openpi's
   * text frame and close for stock clients.
   */
  private fault(
    { code, message }: { code: string; message: string },
    seq: number | undefined,
    closeCode: number = closeCodes.invalidPayload,
  ): void {
    this.peer.fault(code, message);
    if (this.superset && ++this.faults <= this.context.limits.maxFaults) {
      this.peer.send({ op: "error", code, message, seq });
      return;
    }
    this.peer.send(this.superset ? { op: "error", code, message, seq } : message);
    this.peer.close(closeCode, "error in the previous frame");
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
