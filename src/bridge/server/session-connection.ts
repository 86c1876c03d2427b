/** @file What every sessioned connection does alike: decoding, control messages, sessions, numbers and faults. */

import { randomUUID } from "node:crypto";
import { decodeMap, type WireMap } from "../codec.ts";
import { describe } from "../inference.ts";
import type { ServerLimits } from "../limits.ts";
import type { Session, SessionTable } from "../session.ts";
import { closeCodes } from "./closing.ts";
import type { EventSink } from "./events.ts";
import type { Peer, PeerHandler } from "./peer.ts";
import { type Control, isSuperset, parseControl } from "./requests.ts";

/** What all connections of one server share. */
export interface ConnectionContext<S> {
  readonly limits: ServerLimits;
  readonly sessions: SessionTable<S>;
  /** The first message to every client. */
  readonly greeting: WireMap;
  readonly modelId: string | undefined;
  readonly emit: EventSink;
}

/** A request as it came in. */
export interface Received {
  readonly control: Control;
  /** The message as it lies on the wire. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its length; `bytes` may have moved to another thread since. */
  readonly size: number;
  /** What was read of it. */
  readonly message: WireMap;
  readonly atMs: number;
}

/** What was wrong with a request. */
export interface Fault {
  readonly code: string;
  readonly message: string;
}

/** One client's connection, which speaks for one session at a time. */
export abstract class SessionConnection<S> implements PeerHandler {
  protected readonly peer: Peer;
  protected session: Session<S> | undefined;
  private readonly shared: ConnectionContext<S>;
  private superset = false;
  private faults = 0;
  private draining = false;
  /** The session of a client that names none; nobody else can guess it, and it ends with the connection. */
  private readonly anonymousId = randomUUID();

  constructor(peer: Peer, shared: ConnectionContext<S>) {
    this.peer = peer;
    this.shared = shared;
    peer.send(shared.greeting);
  }

  /** A request of a session whose number is new. */
  protected abstract serve(session: Session<S>, received: Received): void;

  /** Read as much of a message as this server needs, the control keys at least. @throws PROTOCOL */
  protected read(bytes: Uint8Array): WireMap {
    return decodeMap(bytes, { limits: this.shared.limits });
  }

  /** A request whose number is not new: refused, unless a server can answer it again. */
  protected repeated(session: Session<S>, seq: number): void {
    this.peer.fault("STALE_SEQ", `seq ${seq} after ${session.lastSeq}`);
    this.peer.send({
      op: "error",
      code: "STALE_SEQ",
      message: "seq must rise",
      seq,
      last_seq: session.lastSeq,
    });
  }

  /** The connection no longer speaks for `session`. */
  protected abstract left(session: Session<S>): void;

  /** Resolves when nothing is under way. */
  protected abstract quiet(): Promise<void>;

  message(bytes: Uint8Array<ArrayBuffer>): void {
    const atMs = performance.now();
    let control: Control | undefined;
    try {
      const message = this.read(bytes);
      control = parseControl(message);
      this.superset ||= isSuperset(control);
      this.dispatch({ control, bytes, size: bytes.byteLength, message, atMs });
    } catch (error) {
      this.fault(describe(error), control?.seq);
    }
  }

  closed(): void {
    const { session, peer } = this;
    if (session === undefined || session.peer !== peer) return;
    this.left(session);
    this.shared.sessions.detach(session, peer);
    if (session.id === this.anonymousId) this.shared.sessions.end(session);
  }

  async drain(): Promise<void> {
    this.draining = true;
    if (this.superset) this.peer.send({ op: "drain" });
    await this.quiet();
  }

  /** A request went well. */
  protected forgive(): void {
    this.faults = 0;
  }

  /**
   * Answer a fault: a typed error that keeps the connection for clients of the superset, within a budget; openpi's
   * text frame and close for stock clients.
   */
  protected fault(
    { code, message }: Fault,
    seq: number | undefined,
    close: number = closeCodes.invalidPayload,
  ): void {
    this.peer.fault(code, message);
    const bearable = this.superset && ++this.faults <= this.shared.limits.maxFaults;
    this.peer.send(this.superset ? { op: "error", code, message, seq } : message);
    if (!bearable) this.peer.close(close, "error in the previous frame");
  }

  /** Refuse a request without blaming the client. */
  protected refuse({ code, message }: Fault, seq: number | undefined): void {
    this.peer.fault(code, message);
    if (seq !== undefined) this.peer.send({ op: "error", code, message, seq });
  }

  private dispatch(received: Received): void {
    const { op, sessionId, seq } = received.control;
    if (op !== undefined) return this.operate(op, received.control);
    const session = this.attach(sessionId ?? this.session?.id ?? this.anonymousId);
    if (session === undefined) return;
    if (this.draining) return this.refuse({ code: "DRAINING", message: "server is going away" }, seq);
    if (seq !== undefined && seq <= session.lastSeq) return this.repeated(session, seq);
    if (seq !== undefined) session.lastSeq = seq;
    this.serve(session, received);
  }

  private operate(op: string, { sessionId, tMono, seq }: Control): void {
    if (op === "hb") return this.peer.send({ op: "hb", t_mono: tMono });
    if (op === "hello") return this.hello(sessionId);
    if (op === "bye") {
      if (this.session?.peer === this.peer) this.shared.sessions.end(this.session);
      return this.peer.close(closeCodes.normal, "bye");
    }
    this.fault({ code: "PROTOCOL", message: `unknown op "${op}"` }, seq);
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
      model: this.shared.modelId ?? null,
    });
  }

  /** The session that this connection speaks for; undefined once another connection does, or there is no room. */
  private attach(id: string): Session<S> | undefined {
    if (this.session?.id === id) return this.session.peer === this.peer ? this.session : undefined;
    this.closed();
    try {
      this.session = this.shared.sessions.attach(this.peer, id);
      return this.session;
    } catch (error) {
      this.peer.fault(describe(error).code, "no room for another session");
      this.peer.close(closeCodes.tryLater, "no room for another session");
      return undefined;
    }
  }
}
