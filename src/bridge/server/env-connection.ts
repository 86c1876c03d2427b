/** @file One learner's connection to the env server: open, reset, step, render, and answering again after a reconnect. */

import { encode, encodeMerged } from "../codec.ts";
import type { FrameCodec, FrameOptions } from "../frames.ts";
import { describe } from "../inference.ts";
import type { Session } from "../session.ts";
import { factsToWire, type OpenRequest, parseOpen } from "../wire/env-messages.ts";
import type { EnvAnswer, EnvCall, EnvHost } from "./env-host.ts";
import type { Peer } from "./peer.ts";
import { withoutControl } from "./requests.ts";
import { type ConnectionContext, type Received, SessionConnection } from "./session-connection.ts";

/** What an env session keeps. */
export interface EnvSession {
  host: EnvHost | undefined;
  /** The call under way. */
  running: Promise<void> | undefined;
  /** The newest answer, to be sent again when the connection that should have carried it was lost. */
  answer: { readonly seq: number; readonly bytes: Uint8Array } | undefined;
}

/** What all connections of one env server share. */
export interface EnvContext extends ConnectionContext<EnvSession> {
  readonly maxEnvs: number;
  /** Make an environment; throws to refuse. */
  readonly open: (request: OpenRequest, frames: FrameOptions) => Promise<EnvHost>;
}

const calls: readonly string[] = ["reset", "step", "render"];
const codecs: readonly unknown[] = ["raw", "jpeg", "png"];

/** A learner's connection. */
export class EnvConnection extends SessionConnection<EnvSession> {
  private readonly context: EnvContext;

  constructor(peer: Peer, context: EnvContext) {
    super(peer, context);
    this.context = context;
  }

  protected override serve(session: Session<EnvSession>, received: Received): void {
    const { endpoint, seq } = received.control;
    if (session.state.running !== undefined) {
      return this.refuse({ code: "RUN_BUSY", message: "one call at a time: wait for the answer" }, seq);
    }
    const work = this.work(session, endpoint, received);
    if (work === undefined)
      return this.fault({ code: "PROTOCOL", message: `unknown endpoint "${endpoint}"` }, seq);
    session.state.running = work
      .catch((error: unknown) => this.failed(session, seq, describe(error)))
      .finally(() => {
        session.state.running = undefined;
      });
  }

  /** A learner that lost its connection asks again: once the answer is there, it gets the one that there is. */
  protected override repeated(session: Session<EnvSession>, seq: number): void {
    const { running, answer } = session.state;
    if (seq < session.lastSeq) return super.repeated(session, seq);
    if (running === undefined && answer?.seq === seq) this.peer.send(answer.bytes);
    else if (running === undefined) super.repeated(session, seq);
  }

  protected override left(): void {
    // The environment stays with its session until the learner returns or the session times out.
  }

  protected override async quiet(): Promise<void> {
    await this.session?.state.running;
  }

  private work(
    session: Session<EnvSession>,
    endpoint: string,
    received: Received,
  ): Promise<void> | undefined {
    if (endpoint === "open") return this.open(session, received);
    if (endpoint === "close") return this.close(session, received);
    if (calls.includes(endpoint)) return this.call(session, received);
    return undefined;
  }

  private async open(session: Session<EnvSession>, { message, control }: Received): Promise<void> {
    const { seq, tMono } = control;
    try {
      const request = parseOpen(message);
      if (request.numEnvs > this.context.maxEnvs) {
        throw new RangeError(`at most ${this.context.maxEnvs} sub-environments, got ${request.numEnvs}`);
      }
      await session.state.host?.close();
      session.state.host = undefined;
      const host = await this.context.open(request, framesOf(message.frames, message.quality));
      session.state.host = host;
      this.answer(session, seq, encode({ ...factsToWire(host.facts), seq, t_mono: tMono }));
    } catch (error) {
      this.failed(session, seq, describe(error));
    }
  }

  private async close(session: Session<EnvSession>, { control }: Received): Promise<void> {
    await session.state.host?.close();
    session.state.host = undefined;
    this.answer(session, control.seq, encode({ seq: control.seq, t_mono: control.tMono, status: "closed" }));
  }

  private async call(session: Session<EnvSession>, received: Received): Promise<void> {
    const { seq, endpoint } = received.control;
    const { host } = session.state;
    if (host === undefined) {
      return this.failed(session, seq, { code: "ENV_CLOSED", message: "open an environment first" });
    }
    const body = withoutControl(received.message);
    const answer = await host.call({ endpoint: endpoint as EnvCall["endpoint"], body });
    if ("error" in answer) this.failed(session, seq, answer.error);
    else this.succeeded(session, received, answer);
  }

  private succeeded(
    session: Session<EnvSession>,
    received: Received,
    answer: Extract<EnvAnswer, { readonly envMs: number }>,
  ): void {
    const { seq, tMono, endpoint } = received.control;
    const { envMs, encodeMs } = answer;
    const server_timing = { env_ms: envMs, encode_ms: encodeMs };
    const bytes = encodeMerged(answer.reply, { seq, t_mono: tMono, server_timing });
    this.answer(session, seq, bytes);
    this.forgive();
    const sizes = { bytesIn: received.size, bytesOut: bytes.length };
    const queueMs = Math.max(0, performance.now() - received.atMs - envMs - encodeMs);
    const timings = { queueMs, inferMs: envMs, encodeMs };
    this.context.emit({
      type: "request",
      peer: this.peer.id,
      session: session.id,
      endpoint,
      ...sizes,
      ...timings,
    });
  }

  private failed(
    session: Session<EnvSession>,
    seq: number | undefined,
    error: { code: string; message: string },
  ): void {
    this.peer.fault(error.code, error.message);
    this.answer(session, seq, encode({ op: "error", ...error, seq }));
  }

  /** Send to whatever connection the session has now, and keep it in case that one is lost. */
  private answer(session: Session<EnvSession>, seq: number | undefined, bytes: Uint8Array): void {
    session.state.answer = seq === undefined ? undefined : { seq, bytes };
    session.peer?.send(bytes);
  }
}

function framesOf(codec: unknown, quality: unknown): FrameOptions {
  if (codec === undefined || codec === null) return { codec: "raw" };
  if (!codecs.includes(codec))
    throw new RangeError(`frames must be raw, jpeg or png, got ${JSON.stringify(codec)}`);
  const known = typeof quality === "number" && quality >= 1 && quality <= 100;
  return { codec: codec as FrameCodec, quality: known ? quality : undefined };
}
