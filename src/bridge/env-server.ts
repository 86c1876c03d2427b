/** @file The env server: any vector environment, simulated, imagined or real, for learners elsewhere. */

import { randomUUID } from "node:crypto";
import type { FrameOptions } from "./frames.ts";
import { describe } from "./inference.ts";
import { withLimits } from "./limits.ts";
import { EnvConnection, type EnvContext, type EnvSession } from "./server/env-connection.ts";
import { type AnyVectorEnv, type EnvHost, localEnvHost, workerEnvHost } from "./server/env-host.ts";
import { type ListenerOptions, openListener } from "./server/listener.ts";
import { runSessionServer, type SessionServer } from "./server/session-server.ts";
import type { ModuleFactory } from "./server/worker-body.ts";
import { SessionTable } from "./session.ts";
import type { OpenRequest } from "./wire/env-messages.ts";

/** Options of an env server, besides those of every listener. */
export interface EnvServerOptions extends ListenerOptions {
  /**
   * Make the environment that a learner asks for, one per session; throw to refuse. It must honour `numEnvs` and
   * `autoreset`, and treat `id` and `kwargs` as words of a stranger.
   */
  readonly make?: (request: OpenRequest) => AnyVectorEnv | Promise<AnyVectorEnv>;
  /**
   * Instead of `make`: the same function as an export (default name "makeEnv") of a module, called in a worker thread
   * per session, so that slow environments hold up nobody.
   */
  readonly worker?: Omit<ModuleFactory, "options">;
  /** Announced to learners: what `id` may be. */
  readonly ids?: readonly string[];
  /** Identifies the model behind imagined environments; a learner that resumes compares it. */
  readonly modelId?: string;
  /** Sub-environments of one session. Default 1024. */
  readonly maxEnvs?: number;
  /** Drain on SIGTERM and SIGINT. Default false: a library does not own the process. */
  readonly handleSignals?: boolean;
}

/** A running env server; draining finishes the steps under way and closes every environment. */
export type EnvServer = SessionServer;

const defaultMaxSessions = 64;

/**
 * Serve environments to remote learners. See docs/bridge.md for the messages, `RemoteVectorEnv` and `clients/python`
 * for clients.
 * @throws UNAUTHORIZED when the address is public and no token guards it
 */
export async function openEnvServer(options: EnvServerOptions): Promise<EnvServer> {
  const context = makeContext(options);
  const listener = await openListener((peer) => new EnvConnection(peer, context), options);
  return runSessionServer(listener, context.sessions, options);
}

function makeContext(options: EnvServerOptions): EnvContext {
  const emit = options.onEvent ?? (() => undefined);
  const limits = withLimits({ maxSessions: defaultMaxSessions, ...options.limits });
  const sessions = new SessionTable<EnvSession>({
    limits,
    makeState: () => ({ host: undefined, running: undefined, answer: undefined }),
    dispose: ({ state }) => {
      end(state).catch((error: unknown) => emit({ type: "fault", peer: 0, ...describe(error) }));
    },
  });
  const reverie = {
    protocol: 1,
    kind: "env",
    server: randomUUID(),
    model: options.modelId ?? null,
    envs: options.ids,
    max_bytes: limits.maxBytes,
  };
  return {
    limits,
    sessions,
    greeting: { reverie },
    modelId: options.modelId,
    emit,
    maxEnvs: options.maxEnvs ?? 1024,
    open: (request, frames) => openHost(options, request, frames),
  };
}

async function openHost(
  { make, worker }: EnvServerOptions,
  request: OpenRequest,
  frames: FrameOptions,
): Promise<EnvHost> {
  if (worker !== undefined)
    return workerEnvHost({ module: worker.module, name: worker.name ?? "makeEnv", request, frames });
  if (make === undefined) throw new TypeError("this server has no environment to make");
  return localEnvHost(await make(request), frames);
}

async function end(state: EnvSession): Promise<void> {
  await state.running;
  await state.host?.close();
  state.host = undefined;
}
