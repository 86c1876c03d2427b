/** @file Sessions: what a robot or learner has with a server across dropped connections, and never shares. */

import { randomUUID } from "node:crypto";
import { fail } from "../core/errors.ts";
import type { ServerLimits } from "./limits.ts";
import { closeCodes } from "./server/closing.ts";
import type { Peer } from "./server/peer.ts";

/** One session. `state` is the server's own. */
export interface Session<S> {
  /** Unique among the principal's sessions; the client's own choice, or the server's. */
  readonly id: string;
  /** Unique in the server. */
  readonly key: string;
  readonly principal: string;
  /** Counts connections of this session; a reply that bears an older epoch is not for this connection. */
  epoch: number;
  /** Highest request number accepted; -1 before the first. */
  lastSeq: number;
  peer: Peer | undefined;
  /** When the last connection was lost. */
  detachedMs: number;
  readonly state: S;
}

/** What a table needs to know of the states it keeps. */
export interface SessionTableOptions<S> {
  readonly limits: Pick<ServerLimits, "maxSessions" | "sessionIdleMs">;
  readonly makeState: (key: string) => S;
  /** The session is over: free what its state holds. */
  readonly dispose: (session: Session<S>) => void;
  readonly now?: () => number;
}

/** All sessions of one server. Sessions of different principals never meet, whatever ids they choose. */
export class SessionTable<S> {
  private readonly sessions = new Map<string, Session<S>>();
  private readonly options: SessionTableOptions<S>;
  private readonly now: () => number;

  constructor(options: SessionTableOptions<S>) {
    this.options = options;
    this.now = options.now ?? (() => performance.now());
  }

  get size(): number {
    return this.sessions.size;
  }

  /**
   * Give `peer` the session `id` of its principal, new or resumed. A peer that still holds it is closed with 4001: a
   * robot whose old socket is half open must be able to come back.
   * @throws RUN_BUSY when the table is full of connected sessions
   */
  attach(peer: Peer, id: string = randomUUID()): Session<S> {
    const key = JSON.stringify([peer.principal, id]);
    const session = this.sessions.get(key) ?? this.create(peer.principal, id, key);
    if (session.peer === peer) return session;
    const previous = session.peer;
    session.peer = peer;
    session.epoch++;
    previous?.close(closeCodes.takenOver, "session continues on another connection");
    return session;
  }

  /** `peer` is gone: keep its session for its return. Nothing happens when another peer has taken it over. */
  detach(session: Session<S>, peer: Peer): void {
    if (session.peer !== peer) return;
    session.peer = undefined;
    session.detachedMs = this.now();
  }

  /** End a session now. */
  end(session: Session<S>): void {
    if (this.sessions.get(session.key) !== session) return;
    this.sessions.delete(session.key);
    this.options.dispose(session);
  }

  /** End sessions whose connection has been gone for longer than `sessionIdleMs`. */
  sweep(): void {
    const oldest = this.now() - this.options.limits.sessionIdleMs;
    for (const session of this.sessions.values()) {
      if (session.peer === undefined && session.detachedMs <= oldest) this.end(session);
    }
  }

  /** End all. */
  clear(): void {
    for (const session of this.sessions.values()) this.end(session);
  }

  private create(principal: string, id: string, key: string): Session<S> {
    if (this.sessions.size >= this.options.limits.maxSessions) this.makeRoom(principal);
    const state = this.options.makeState(key);
    const session = {
      id,
      key,
      principal,
      epoch: 0,
      lastSeq: -1,
      peer: undefined,
      detachedMs: this.now(),
      state,
    };
    this.sessions.set(key, session);
    return session;
  }

  /** Drop the principal's own longest-idle session, so that nobody can push out another's. */
  private makeRoom(principal: string): void {
    let idlest: Session<S> | undefined;
    for (const session of this.sessions.values()) {
      if (session.principal !== principal || session.peer !== undefined) continue;
      if (idlest === undefined || session.detachedMs < idlest.detachedMs) idlest = session;
    }
    if (idlest !== undefined) return this.end(idlest);
    fail({
      code: "RUN_BUSY",
      what: "no room for another session",
      expected: `at most ${this.options.limits.maxSessions} sessions`,
      fix: "raise limits.maxSessions, or try again later",
    });
  }
}
