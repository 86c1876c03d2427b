/** @file `RemoteVectorEnv`: a vector environment behind a socket that looks like any other. */

import type { NdArray } from "../core/ndarray.ts";
import { spaceFromJSON } from "../core/spaces/json.ts";
import type { Space } from "../core/spaces/space.ts";
import type {
  AutoresetMode,
  EnvMetadata,
  Frame,
  ObservationBatch,
  ResetBatch,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "../env/env.ts";
import type { LinkOptions } from "./client/link.ts";
import { Recovery } from "./client/recovery.ts";
import { EnvironmentLost, openingOf, RequestLine } from "./client/request-line.ts";
import type { WireMap, WireValue } from "./codec.ts";
import { decodeFrames, type FrameCodec } from "./frames.ts";
import {
  type EnvFacts,
  framesFromWire,
  resetResultFromWire,
  resetToWire,
  stepFromWire,
} from "./wire/env-messages.ts";

/** Options of a remote environment. */
export interface RemoteEnvOptions extends LinkOptions {
  /** Which of the server's environments; may be left out where there is one. */
  readonly id?: string;
  /** Default 1. */
  readonly numEnvs?: number;
  /**
   * Who resets ended rows. Default "disabled": the primitive, for `withAutoreset` on this side. The other modes reset
   * on the server, which saves a round trip at the end of episodes.
   */
  readonly autoreset?: AutoresetMode;
  /** Keyword arguments for the server's maker; plain data. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** How frames travel. Default raw; JPEG is for slow networks and changes what the learner sees. */
  readonly frames?: FrameCodec;
  /** JPEG quality. Default 90. */
  readonly quality?: number;
  /** Default: a random id. */
  readonly sessionId?: string;
  /** How long one answer may take, reconnects included. Default 60 s. */
  readonly timeoutMs?: number;
  /**
   * When the server lost the environment: "truncate" (default) ends the episodes of all rows by truncation, with
   * `infos.connectionLost`, and goes on in a new environment; "throw" rejects the step.
   */
  readonly onLost?: "truncate" | "throw";
}

type Mask = NdArray<"bool">;

/**
 * A vector environment on an env server.
 *
 * Every array of a result is new. A dropped connection is resumed: the server keeps the environment for a while, and
 * answers an unanswered call again without stepping twice. When the environment is gone for good, see `onLost`.
 */
export class RemoteVectorEnv implements VectorEnv<ObservationBatch, unknown> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata;
  readonly render?: () => Promise<readonly (Frame | undefined)[]>;
  private readonly line: RequestLine;
  private readonly recovery: Recovery;
  private readonly options: RemoteEnvOptions;
  private readonly mode: AutoresetMode;
  private generation: number;

  /** Made by `openRemoteVectorEnv`. */
  constructor(line: RequestLine, facts: EnvFacts, options: RemoteEnvOptions) {
    this.line = line;
    this.options = options;
    this.generation = line.generation;
    this.numEnvs = facts.numEnvs;
    this.singleObservationSpace = spaceFromJSON(facts.observationSpace);
    this.singleActionSpace = spaceFromJSON(facts.actionSpace);
    this.observationSpace = this.singleObservationSpace.batch(this.numEnvs);
    this.actionSpace = this.singleActionSpace.batch(this.numEnvs);
    this.metadata = facts.metadata;
    this.mode = facts.metadata.autoreset ?? "disabled";
    this.recovery = new Recovery(this.singleObservationSpace, this.numEnvs, this.mode);
    if (facts.renders) this.render = async () => framesFromWire(await this.ask("render", {}));
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch> {
    this.noticeLoss();
    try {
      const result = resetResultFromWire(await this.ask("reset", resetToWire(options)));
      return this.recovery.reset(result, options.mask);
    } catch (error) {
      if (!(error instanceof EnvironmentLost)) throw error;
      const whole = this.mode === "disabled" ? options : { ...options, mask: undefined };
      return this.reset(whole);
    }
  }

  /** @throws CONNECTION_LOST when the environment was lost and `onLost` is "throw", or the server's error */
  async step(actions: unknown, mask?: Mask): Promise<StepBatch> {
    if (this.noticeLoss()) return this.cut(mask, new EnvironmentLost(this.options.url));
    const plan = this.recovery.plan(mask);
    if (plan === "reset") return this.recovery.restarted(await this.reset());
    if (plan === "none") return this.recovery.truncated(mask);
    try {
      const answer = await this.ask("step", { actions: actions as WireValue, mask: plan.mask });
      return this.recovery.stepped(stepFromWire(this.singleObservationSpace, this.mode, answer), mask);
    } catch (error) {
      if (!(error instanceof EnvironmentLost)) throw error;
      this.noticeLoss();
      return this.cut(mask, error);
    }
  }

  /** Close the environment on the server, and the connection. */
  async close(): Promise<void> {
    await this.line.close();
  }

  /** Has the server made a new environment since the last call? */
  private noticeLoss(): boolean {
    if (this.generation === this.line.generation) return false;
    this.generation = this.line.generation;
    this.recovery.lose();
    return true;
  }

  /** The episodes are cut where they were; under SAME_STEP the next ones begin at once. */
  private async cut(mask: Mask | undefined, error: EnvironmentLost): Promise<StepBatch> {
    if (this.options.onLost === "throw") throw error;
    const cut = this.recovery.truncated(mask);
    if (this.mode !== "same-step") return cut;
    return this.recovery.replaced(cut, await this.reset());
  }

  private async ask(endpoint: string, body: WireMap): Promise<WireMap> {
    const answer = await this.line.ask(endpoint, body);
    const coded = this.options.frames !== undefined && this.options.frames !== "raw";
    return coded ? ((await decodeFrames(answer)) as WireMap) : answer;
  }
}

/** Connect to an env server and open an environment. @throws TIMEOUT, UNAUTHORIZED, PROTOCOL, or the server's refusal */
export async function openRemoteVectorEnv(options: RemoteEnvOptions): Promise<RemoteVectorEnv> {
  const line = new RequestLine({ ...options, opening: openingOf(options) });
  return new RemoteVectorEnv(line, await line.open(), options);
}
