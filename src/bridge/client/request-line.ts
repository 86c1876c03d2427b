/** @file One numbered call at a time to an env server, answered exactly once across reconnects and restarts. */

import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { fail, ReverieError, type ErrorCode } from "../../core/errors.ts";
import { encode, isWireMap, type WireMap, type WireValue } from "../codec.ts";
import { type EnvFacts, factsFromWire } from "../wire/env-messages.ts";
import { Link, type LinkOptions } from "./link.ts";

/** Options of a line. */
export interface LineOptions extends LinkOptions {
  readonly sessionId?: string;
  readonly timeoutMs?: number;
  /** Body of the request that opens the environment. */
  readonly opening: WireMap;
}

/** The server no longer had the environment; a new one is open in its place, not reset yet. */
export class EnvironmentLost extends ReverieError {
  constructor(url: string) {
    super({
      code: "CONNECTION_LOST",
      what: `the server at ${url} lost the environment (it was restarted, or the connection was gone for too long)`,
      fix: "reset, and go on in the new environment",
    });
  }
}

interface Call {
  readonly seq: number;
  readonly bytes: Uint8Array;
  readonly resolve: (answer: WireMap) => void;
  readonly reject: (error: ReverieError) => void;
}

/** Codes of a server's typed errors that keep their meaning on this side. */
const ownCodes: readonly string[] = [
  "INVALID_ARGUMENT",
  "INVALID_SHAPE",
  "INVALID_DTYPE",
  "UNKNOWN_NAME",
  "NOT_SUPPORTED",
  "NOT_FINITE",
  "RESET_NEEDED",
  "ENV_CLOSED",
  "ENV_CONTRACT",
  "WORKER_FAILED",
  "RUN_BUSY",
  "TIMEOUT",
] satisfies ErrorCode[];

/** The calls of one session. */
export class RequestLine {
  /** Counts the environments that the server made for this line; 0 before the first. */
  generation = 0;
  private readonly options: LineOptions;
  private readonly sessionId: string;
  private readonly link: Link;
  private seq = 0;
  private call: Call | undefined;
  private opening: Call | undefined;
  private facts: EnvFacts | undefined;
  /** Has the server told, on this connection, what it knows of this session? */
  private met = false;
  private everMet = false;
  private model: WireValue;
  private failure: ReverieError | undefined;

  constructor(options: LineOptions) {
    this.options = options;
    this.sessionId = options.sessionId ?? randomUUID();
    this.link = new Link(options, {
      opened: (greeting) => this.greeted(greeting),
      message: (message) => this.received(message),
      text: (text) => this.ended(this.error("PROTOCOL", `the server said: ${text}`)),
      lost: () => undefined,
      ended: (error) => this.ended(error),
      heartbeat: () => ({ op: "hb" }),
    });
  }

  /** Connect and open the environment. @throws TIMEOUT, UNAUTHORIZED, PROTOCOL, or the server's refusal */
  async open(): Promise<EnvFacts> {
    const answered = this.reopen();
    this.link.start();
    try {
      return await answered;
    } catch (error) {
      this.link.close();
      throw error;
    }
  }

  /**
   * Make one call and wait for its answer, through reconnects.
   * @throws EnvironmentLost, TIMEOUT, RUN_BUSY for a call before the last one was answered, or the server's error
   */
  ask(endpoint: string, body: WireMap): Promise<WireMap> {
    if (this.call !== undefined)
      return Promise.reject(this.error("RUN_BUSY", "await the previous call first"));
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      const { timeoutMs = 60_000 } = this.options;
      const timer = setTimeout(() => this.expire(timeoutMs), timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        this.call = undefined;
      };
      this.call = this.makeCall(endpoint, body, {
        resolve: (answer) => (done(), resolve(answer)),
        reject: (error) => (done(), reject(error)),
      });
      if (this.opening === undefined && this.met) this.link.send(this.call.bytes);
    });
  }

  /** Close the environment and the connection. */
  async close(): Promise<void> {
    if (this.failure !== undefined) return;
    if (this.link.open && this.call === undefined) await this.ask("close", {}).catch(() => undefined);
    this.link.send({ op: "bye" });
    this.link.close();
    this.ended(this.error("ENV_CLOSED", "this environment was closed"));
  }

  private makeCall(endpoint: string, body: WireMap, settle: Pick<Call, "resolve" | "reject">): Call {
    const seq = ++this.seq;
    const bytes = encode({ ...body, endpoint, session_id: this.sessionId, seq });
    return { seq, bytes, resolve: settle.resolve, reject: settle.reject };
  }

  private greeted(greeting: WireMap): void {
    const known = isWireMap(greeting.reverie) ? greeting.reverie : {};
    if (known.kind !== "env") throw this.error("PROTOCOL", "this is no env server");
    if (this.facts !== undefined && known.model !== this.model) {
      throw this.error("CHECKPOINT_MISMATCH", "the server came back with another model");
    }
    this.model = known.model;
    this.met = false;
    this.link.send({ op: "hello", session_id: this.sessionId });
  }

  private received(message: WireMap): void {
    if (message.op === "session") return this.resumed(message.last_seq as number);
    const call = [this.opening, this.call].find((open) => open?.seq === message.seq);
    if (call === undefined) return;
    if (message.op === "error") call.reject(this.remoteError(message));
    else if (message.op === undefined) call.resolve(message);
  }

  /** The session is ours (again): ask once more for what was not answered, or open anew what is gone. */
  private resumed(lastSeq: number): void {
    this.met = true;
    if (this.opening !== undefined) {
      if (!this.everMet && lastSeq >= this.opening.seq) this.renumberOpening(lastSeq);
      this.everMet = true;
      this.link.send(this.opening.bytes);
      return;
    }
    if (lastSeq >= 0) {
      if (this.call !== undefined) this.link.send(this.call.bytes);
      return;
    }
    this.reopen().then(
      () => this.call?.reject(new EnvironmentLost(this.options.url)),
      (error: ReverieError) => this.ended(error),
    );
    const opening = this.opening as Call | undefined;
    if (opening !== undefined) this.link.send(opening.bytes);
  }

  /** An earlier process had this session: go on counting where it stopped. */
  private renumberOpening(lastSeq: number): void {
    this.seq = lastSeq;
    if (this.opening !== undefined) this.opening = this.makeCall("open", this.options.opening, this.opening);
  }

  private async reopen(): Promise<EnvFacts> {
    const { timeoutMs = 60_000 } = this.options;
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<WireMap>((resolve, reject) => {
      this.opening = this.makeCall("open", this.options.opening, { resolve, reject });
      const late = (): void => reject(this.error("TIMEOUT", `no environment within ${timeoutMs} ms`));
      timer = setTimeout(late, timeoutMs);
    }).finally(() => {
      clearTimeout(timer);
      this.opening = undefined;
    });
    const facts = factsFromWire(answer);
    if (this.facts !== undefined && !isDeepStrictEqual(facts, this.facts)) {
      throw this.error("CHECKPOINT_MISMATCH", "the server came back with another environment");
    }
    this.facts = facts;
    this.generation++;
    return facts;
  }

  private expire(timeoutMs: number): void {
    this.call?.reject(this.error("TIMEOUT", `no answer within ${timeoutMs} ms`));
  }

  private ended(error: ReverieError): void {
    this.failure ??= error;
    this.link.close();
    this.opening?.reject(error);
    this.call?.reject(error);
  }

  private remoteError({ code, message }: WireMap): ReverieError {
    const known = typeof code === "string" && ownCodes.includes(code) ? (code as ErrorCode) : "PROTOCOL";
    return this.error(
      known,
      `the env server refused: ${typeof message === "string" ? message : "no reason given"}`,
    );
  }

  private error(code: ErrorCode, what: string): ReverieError {
    return new ReverieError({ code, what, fix: `look at the env server at ${this.options.url}` });
  }
}

/** The body of an open request. @throws INVALID_ARGUMENT for kwargs that are no plain data */
export function openingOf(options: {
  readonly id?: string;
  readonly numEnvs?: number;
  readonly autoreset?: string;
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly frames?: string;
  readonly quality?: number;
}): WireMap {
  const { id, numEnvs = 1, autoreset = "disabled", kwargs, frames, quality } = options;
  if (!Number.isInteger(numEnvs) || numEnvs < 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "a vector env of no environments",
      expected: "numEnvs from 1",
      got: `${numEnvs}`,
    });
  }
  return { env_id: id, num_envs: numEnvs, autoreset, kwargs: kwargs as WireValue, frames, quality };
}
