/**
 * @file vLLM-Omni's `/v1/videos`: a job is begun, asked for until it has ended, its video fetched, and the job deleted.
 *
 * It has never met a real vLLM-Omni, only a server of the tests that keeps its contract.
 * @source vLLM-Omni, docs/serving/videos_api.md; recipes/cosmos3/Cosmos3-Nano.md
 */

import { asError, fail } from "../../core/errors.ts";
import { checkChunk } from "./chunks.ts";
import { failAnswer, makeHttpClient, pause, type HttpClient, type HttpOptions } from "./http.ts";
import { pollUntil, type Dynamics, type ForwardRequest, type ForwardServer } from "./nim.ts";

/** Options of `openOmni`. */
export interface OmniOptions extends HttpOptions, Dynamics {
  /** Pause between two looks at a job; default 1000. */
  readonly pollMs?: number;
  /** Longest wait for a job, from its beginning; default 30 minutes. */
  readonly jobTimeoutMs?: number;
}

const states = new Set(["queued", "in_progress", "completed", "failed"]);

interface Job {
  readonly id: string;
  readonly status: string;
  readonly error?: unknown;
}

function jobOf(answer: Record<string, unknown>): Job {
  const { id, status } = answer;
  if (typeof id === "string" && typeof status === "string" && states.has(status))
    return answer as unknown as Job;
  return fail({
    code: "PROTOCOL",
    what: "the server's answer is no video job",
    expected: `an id and a status: ${[...states].join(", ")}`,
    got: JSON.stringify(answer).slice(0, 200),
  });
}

function formOf(request: ForwardRequest, options: OmniOptions): FormData {
  const { domain, actionSize, prompt, rateHz, sampling = {} } = options;
  const actions = checkChunk(request.actions, actionSize);
  const extra = {
    action_mode: "forward_dynamics",
    domain_name: domain,
    raw_action_dim: actionSize,
    action_chunk_size: actions.length,
    action: actions,
  };
  const fields: Record<string, string | number | undefined> = {
    prompt,
    size: `${request.width}x${request.height}`,
    num_frames: actions.length + 1,
    fps: rateHz,
    seed: request.seed,
    num_inference_steps: sampling.steps,
    guidance_scale: sampling.guidance,
    flow_shift: sampling.flowShift,
    extra_params: JSON.stringify(extra),
  };
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.set(name, String(value));
  const picture = new Blob([request.image.bytes], { type: request.image.type });
  form.set("input_reference", picture, "input.jpg");
  return form;
}

/** Look at a job until it has ended. @throws TIMEOUT, INTERRUPTED, GUARDRAIL_BLOCKED, REMOTE_FAILED */
async function awaitJob(
  client: HttpClient,
  begun: Job,
  options: OmniOptions,
  signal?: AbortSignal,
): Promise<void> {
  const { pollMs = 1000, jobTimeoutMs = 1_800_000 } = options;
  const end = performance.now() + jobTimeoutMs;
  const path = pathOf(begun.id);
  for (let job = begun; job.status !== "completed";) {
    if (job.status === "failed") {
      failAnswer(`video job ${job.id}`, 500, new TextEncoder().encode(JSON.stringify({ error: job.error })));
    }
    if (performance.now() >= end) {
      fail({
        code: "TIMEOUT",
        what: `video job ${job.id} did not end`,
        expected: `within ${jobTimeoutMs} ms`,
        got: job.status,
        fix: "raise jobTimeoutMs, or ask for fewer frames or denoising steps",
      });
    }
    await pause(pollMs, signal);
    job = jobOf(await client.json({ method: "GET", path, signal }));
  }
}

/** Stop waiting when `signal` fires. @throws INTERRUPTED */
async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const over = new AbortController();
  try {
    const stopped = async (): Promise<never> => {
      await pause(2 ** 31 - 1, AbortSignal.any([signal, over.signal]));
      return fail({ code: "INTERRUPTED", what: "the beginning of a video job was cancelled" });
    };
    return await Promise.race([work, stopped()]);
  } finally {
    over.abort();
  }
}

/**
 * Begin a job. A caller who stops waits no longer, but the request itself is not cancelled: only its answer tells the job's
 * name, and without it nobody could delete it.
 */
async function beginJob(client: HttpClient, body: FormData, signal?: AbortSignal): Promise<Job> {
  const begun = client.json({ method: "POST", path: "/v1/videos", body }).then(jobOf);
  return unlessStopped(begun, signal).catch((error: unknown) => {
    // Of a job that never began, or has failed to, the error above has told.
    if (signal?.aborted) void begun.then(({ id }) => dropJob(client, id), asError);
    throw error;
  });
}

const pathOf = (id: string): string => `/v1/videos/${encodeURIComponent(id)}`;

/** Delete a job; one that cannot be deleted is no reason to lose its video, or the error that is on its way. */
async function dropJob(client: HttpClient, id: string): Promise<void> {
  await client.bytes({ method: "DELETE", path: pathOf(id) }).catch(asError);
}

/** A vLLM-Omni server at an address, with the domain that its actions are of. */
export function openOmni(options: OmniOptions): ForwardServer {
  const client = makeHttpClient(options);
  return {
    kind: "omni",
    waitReady: (wait = {}) =>
      pollUntil(
        `${client.url} is not ready`,
        () =>
          client.bytes({ method: "GET", path: "/health", signal: wait.signal }).then(
            () => true,
            (error: unknown) => {
              const { code } = error as { code?: string };
              if (code === "REMOTE_FAILED" || code === "CONNECTION_LOST") return false;
              throw error;
            },
          ),
        wait,
      ),
    async forward(request) {
      const { signal } = request;
      const job = await beginJob(client, formOf(request, options), signal);
      try {
        await awaitJob(client, job, options, signal);
        return await client.bytes({ method: "GET", path: `${pathOf(job.id)}/content`, signal });
      } finally {
        // Whatever happened, the server must not go on with it, nor keep it.
        await dropJob(client, job.id);
      }
    },
  };
}
