/**
 * @file HTTP to a generation server: time limits, cancellation, answers of bounded size, errors with codes, and retries
 * only where the server has not begun to work.
 *
 * @source NVIDIA Cosmos 3 NIM, API reference (error envelope, health routes); vLLM-Omni, Videos API
 */

import { asError, fail, ReverieError } from "../../core/errors.ts";

/** How a server is spoken to. */
export interface HttpOptions {
  /** Address without a path, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Value of the `Authorization` header. */
  readonly authorization?: string;
  /** Longest wait for one answer; default 10 minutes, as a chunk of video may take that long. */
  readonly timeoutMs?: number;
  /** Largest answer that is read; default 64 MiB. */
  readonly maxAnswerBytes?: number;
  /** Attempts after the first, where the server had not begun to work; default 3. */
  readonly retries?: number;
  /** First pause before another attempt; it doubles. Default 500. */
  readonly retryPauseMs?: number;
}

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  /** JSON, or a form. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** A server that answers. */
export interface HttpClient {
  readonly url: string;
  /** The answer's bytes. @throws CONNECTION_LOST, TIMEOUT, INTERRUPTED, GUARDRAIL_BLOCKED, and what `failAnswer` says */
  bytes(call: Call): Promise<Uint8Array>;
  /** The answer as JSON. @throws as `bytes`; PROTOCOL */
  json(call: Call): Promise<Record<string, unknown>>;
}

const defaults = { timeoutMs: 600_000, maxAnswerBytes: 64 * 1024 * 1024, retries: 3, retryPauseMs: 500 };
/** Statuses that say "not now": nothing was done. */
const notNow = new Set([429, 503]);
/** Errors of a connection that was never made. */
const neverSent = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);
const guardrail = /guardrail|content[ _]policy|unsafe|blocked by safety/i;

/** A pause that ends early, with an error, when `signal` fires. @throws INTERRUPTED */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(interrupted("a pause"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

function interrupted(what: string, cause?: unknown): ReverieError {
  return new ReverieError({ code: "INTERRUPTED", what: `${what} was cancelled`, cause });
}

interface Answer {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly retryAfterMs?: number;
}

async function readBody(response: Response, limit: number, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Left early, the loop cancels the stream, and the connection with it.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > limit) {
      fail({
        code: "PROTOCOL",
        what: `the answer to ${what} is too large`,
        expected: `at most ${limit} bytes`,
        got: `more than that`,
        fix: "ask for fewer or smaller frames, or raise maxAnswerBytes",
      });
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? 1000 * Math.min(seconds, 60) : undefined;
}

const errorCodeOf = (error: unknown): string => {
  for (let e = error; e instanceof Error; e = e.cause)
    if ("code" in e && typeof e.code === "string") return e.code;
  return "";
};

/** One attempt. @throws TIMEOUT, INTERRUPTED, CONNECTION_LOST (its cause's code says whether anything was sent), PROTOCOL */
async function attempt(options: Settings, call: Call): Promise<Answer> {
  const { url, authorization, timeoutMs, maxAnswerBytes } = options;
  const what = `${call.method} ${url}${call.path}`;
  const limit = AbortSignal.timeout(timeoutMs);
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const { body } = call;
  if (body !== undefined && !(body instanceof FormData)) headers["content-type"] = "application/json";
  try {
    const response = await fetch(`${url}${call.path}`, {
      method: call.method,
      headers,
      body: body === undefined || body instanceof FormData ? body : JSON.stringify(body),
      signal: call.signal === undefined ? limit : AbortSignal.any([limit, call.signal]),
    });
    const bytes = await readBody(response, maxAnswerBytes, what);
    return { status: response.status, bytes, retryAfterMs: retryAfterMs(response) };
  } catch (cause) {
    if (cause instanceof ReverieError) throw cause;
    if (call.signal?.aborted) throw interrupted(what, cause);
    if (limit.aborted) {
      return fail({
        code: "TIMEOUT",
        what: `${what} took too long`,
        expected: `an answer within ${timeoutMs} ms`,
        fix: "raise timeoutMs, or ask for fewer frames or denoising steps",
        cause,
      });
    }
    return fail({
      code: "CONNECTION_LOST",
      what: `${what} got no answer`,
      got: errorCodeOf(cause) || asError(cause).message,
      fix: "check that the server runs and that the address is right",
      cause,
    });
  }
}

/** What the server says went wrong: the envelope `{ error: { message } }`, or FastAPI's `detail`, or the text. */
function messageOf(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 4000));
  try {
    const { error, detail, message } = JSON.parse(text) as Record<string, unknown>;
    const inner = (error as { message?: unknown } | undefined)?.message ?? detail ?? message ?? error;
    return typeof inner === "string" ? inner : (JSON.stringify(inner) ?? text);
  } catch {
    return text;
  }
}

/**
 * Throw what an answer of status 400 and more means.
 * @throws GUARDRAIL_BLOCKED, UNAUTHORIZED, NOT_SUPPORTED (404: another runtime), INVALID_ARGUMENT (other 4xx), REMOTE_FAILED
 */
export function failAnswer(what: string, status: number, bytes: Uint8Array): never {
  const said = messageOf(bytes);
  const got = `status ${status}: ${said}`;
  // The NIM blocks with 422, vLLM-Omni with 500.
  if (guardrail.test(said) && status !== 401 && status !== 403) {
    return fail({
      code: "GUARDRAIL_BLOCKED",
      what: `the server's guardrail blocked ${what}; nothing was generated`,
      got,
      fix: "change the prompt or the picture; the guardrail's settings are the server's",
    });
  }
  if (status === 401 || status === 403)
    return fail({ code: "UNAUTHORIZED", what: `${what} was refused`, got, fix: "give `authorization`" });
  if (status === 404) {
    return fail({
      code: "NOT_SUPPORTED",
      what: `the server has no ${what}`,
      got,
      fix: "the container may run the other runtime (Reasoner instead of Generator), or speak another protocol: nim or omni",
    });
  }
  if (status < 500) {
    return fail({
      code: "INVALID_ARGUMENT",
      what: `the server refused ${what}`,
      got,
      fix: "the server is strict: leave out fields that its version or variant does not know",
    });
  }
  return fail({
    code: "REMOTE_FAILED",
    what: `the server failed in ${what}`,
    got,
    fix: "see the server's log",
  });
}

/** May the same request be sent again? Only if the server has not begun to work, or if it only reads. */
function mayRetry(call: Call, outcome: Answer | ReverieError): boolean {
  if (!(outcome instanceof ReverieError)) return notNow.has(outcome.status);
  if (outcome.code !== "CONNECTION_LOST") return false;
  return call.method === "GET" || neverSent.has(errorCodeOf(outcome.cause));
}

type Settings = Required<Omit<HttpOptions, "authorization">> & HttpOptions;

/** Attempts until one counts. @throws what the last one came to */
async function bytesOf(settings: Settings, call: Call): Promise<Uint8Array> {
  for (let tried = 0; ; tried++) {
    const outcome = await attempt(settings, call).catch((error: unknown) => {
      if (error instanceof ReverieError) return error;
      throw error;
    });
    if (tried < settings.retries && mayRetry(call, outcome)) {
      const wanted = outcome instanceof ReverieError ? undefined : outcome.retryAfterMs;
      await pause(wanted ?? settings.retryPauseMs * 2 ** tried, call.signal);
      continue;
    }
    if (outcome instanceof ReverieError) throw outcome;
    if (outcome.status >= 400) failAnswer(`${call.method} ${call.path}`, outcome.status, outcome.bytes);
    return outcome.bytes;
  }
}

/** @throws PROTOCOL */
function parseJson(bytes: Uint8Array, what: string): Record<string, unknown> {
  const text = new TextDecoder().decode(bytes);
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, with what came.
  }
  return fail({
    code: "PROTOCOL",
    what: `${what} did not answer in JSON`,
    expected: "a JSON object",
    got: text.slice(0, 200),
  });
}

/** A client of one server. @throws INVALID_ARGUMENT for an address that is none */
export function makeHttpClient(given: HttpOptions): HttpClient {
  if (!/^https?:\/\/[^/]+/.test(given.url)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "this is no server's address",
      expected: "http://host:port or https://host",
      got: given.url,
    });
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const url = given.url.replace(/\/+$/, "");
  const settings: Settings = { ...defaults, ...(set as unknown as HttpOptions), url };
  return {
    url,
    bytes: (call) => bytesOf(settings, call),
    json: async (call) => parseJson(await bytesOf(settings, call), `${call.method} ${url}${call.path}`),
  };
}
