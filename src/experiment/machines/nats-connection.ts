/** @file Connecting to a NATS server by URL, and what its errors mean: coded, or worth another try. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { connect, credsAuthenticator, errors } from "@nats-io/transport-node";
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import { asError, fail } from "../../core/errors.ts";

/** Environment variables for secrets, which do not belong into a command line: a token, a file of credentials. */
const tokenVariable = "REVERIE_WORKERS_TOKEN";
const credentialsVariable = "REVERIE_WORKERS_CREDS";

const example = "nats://host:4222, or tls://host:4222";

function parse(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && ["nats:", "tls:"].includes(parsed.protocol) && parsed.hostname !== "")
    return parsed;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "that is not the URL of a server for workers",
    expected: example,
    got: url.replace(/\/\/.*@/, "//…@"),
    fix: "name the server as its own log does; a token goes before the host: nats://TOKEN@host:4222",
  });
}

/** URL without user and password, for messages. */
export function addressOf(url: string): string {
  const { protocol, host } = parse(url);
  return `${protocol}//${host}`;
}

function secretsOf({ username, password }: URL): Partial<ConnectionOptions> {
  const file = process.env[credentialsVariable];
  if (file !== undefined) return { authenticator: credsAuthenticator(readFileSync(file)) };
  const [user, pass] = [username, password].map(decodeURIComponent);
  if (pass !== "") return { user, pass };
  const token = user === "" ? process.env[tokenVariable] : user;
  return token === undefined ? {} : { token };
}

/** Time for a server that is just being restarted: who joins in that moment should not give up. */
export const restartMs = 3000;
/** Greetings that may stay without an answer: the client hears nothing, too, of a server that goes away within one. */
const maxSilences = 3;

/**
 * Connect; a connection that breaks later is made again for as long as it takes.
 * @throws INVALID_ARGUMENT for a bad URL, UNAUTHORIZED, SERVER_UNREACHABLE when it was refused for three seconds, or when
 * three greetings of five seconds stayed without an answer
 */
export async function connectNats(url: string): Promise<NatsConnection> {
  const parsed = parse(url);
  const options: ConnectionOptions = {
    servers: parsed.host,
    ...secretsOf(parsed),
    ...(parsed.protocol === "tls:" ? { tls: {} } : {}),
    timeout: 5000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    ignoreAuthErrorAbort: true,
  };
  let [silences, deadline] = [0, performance.now() + restartMs];
  for (;;) {
    const asked = performance.now();
    try {
      return await connect(options);
    } catch (error) {
      if (error instanceof errors.TimeoutError) {
        silences++;
        deadline += performance.now() - asked;
      }
      const late = silences === maxSilences || performance.now() > deadline;
      if (late || !mayBeRestarting(asError(error))) return refuseConnection(addressOf(url), asError(error));
    }
    await sleep(250);
  }
}

const textOf = ({ message, cause }: Error): string =>
  `${message} ${cause instanceof Error ? cause.message : ""}`.trim();

const isUnauthorized = (error: Error): boolean =>
  error instanceof errors.AuthorizationError || /authorization/i.test(textOf(error));

/** A server that is being restarted refuses, breaks off, or goes away in the middle of its greeting. */
function mayBeRestarting(error: Error): boolean {
  if (isUnauthorized(error)) return false;
  const { code } = (error.cause ?? {}) as { readonly code?: string };
  return code === undefined || ["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(code);
}

function refuseConnection(address: string, cause: Error): never {
  const got = textOf(cause);
  if (isUnauthorized(cause)) {
    return fail({
      code: "UNAUTHORIZED",
      what: `${address} refuses this token, or wants one`,
      got,
      fix: `give it in the URL (nats://TOKEN@host:4222), in ${tokenVariable}, or as a file in ${credentialsVariable}`,
      cause,
    });
  }
  return fail({
    code: "SERVER_UNREACHABLE",
    what: `no server for workers at ${address}`,
    expected: "a NATS server with JetStream",
    got,
    fix: "start one (`nats-server -js`), check host, port and firewall, or leave --workers out: one process needs no server",
    cause,
  });
}

/** Refused for want of room: it has to be tried again once something was taken out. */
export function isFull(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === 10077;
}

/** Somebody else has written that key before. */
export function isTaken(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence;
}

/** There is no such stream, bucket or consumer. */
export function isMissing(error: unknown): boolean {
  const codes: readonly number[] = [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound];
  return error instanceof JetStreamApiError && codes.includes(error.code);
}

// The class itself is not exported.
const isNotEnabled = (error: unknown): boolean =>
  error instanceof Error && error.name === "JetStreamNotEnabled";

/** Would the same request, made again, perhaps succeed: the server is away, or not ready yet? */
function mayPass(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status === 503 && !isFull(error);
  return !(
    error instanceof errors.ClosedConnectionError ||
    error instanceof errors.PermissionViolationError ||
    error instanceof errors.AuthorizationError ||
    error instanceof errors.InvalidArgumentError
  );
}

const patienceMs = 120_000;

/**
 * Make a request that may be made twice, until the server answers it. It is told how long to wait: not long at first, because
 * a server that was killed never answers, longer each time, because a slow line may need it. A server that is going away or
 * coming back says that it has no JetStream; `unequippedMs` is for how long that is not believed.
 * @throws CONNECTION_LOST when it has not for two minutes; STORAGE_FULL; NOT_SUPPORTED without JetStream; else what the server says
 */
export async function steadily<T>(
  what: string,
  request: (timeoutMs: number) => Promise<T>,
  { unequippedMs = patienceMs } = {},
): Promise<T> {
  const begun = performance.now();
  for (let waitMs = 50; ; waitMs = Math.min(1000, waitMs * 2)) {
    try {
      return await request(waitMs * 40);
    } catch (error) {
      const late = performance.now() - begun > (isNotEnabled(error) ? unequippedMs : patienceMs);
      if (late || !mayPass(error)) return explain(what, asError(error), late);
    }
    await sleep(waitMs);
  }
}

function explain(what: string, cause: Error, late: boolean): never {
  const got = cause.message;
  if (isNotEnabled(cause)) {
    const fix = "start the server with `nats-server -js`, or give this account JetStream";
    return fail({ code: "NOT_SUPPORTED", what: "this server stores nothing", got, fix, cause });
  }
  if (late) {
    const fix = "check the server; what it has stored is still there once it is back";
    return fail({ code: "CONNECTION_LOST", what: `the server does not answer: ${what}`, got, fix, cause });
  }
  if (/insufficient (storage )?resources|maximum bytes exceeded/.test(got)) {
    const fix = "free space there, or raise max_file_store in its configuration";
    return fail({ code: "STORAGE_FULL", what: `the server has no room: ${what}`, got, fix, cause });
  }
  throw cause;
}
