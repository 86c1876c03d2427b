/** @file Who may connect: tokens compared in constant time, an Origin allow-list, and no open door beyond loopback. */

import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { fail } from "../core/errors.ts";

/** Shortest token that may guard an address other machines can reach. */
const minPublicToken = 16;

/** Access rules of a listener. */
export interface AccessOptions {
  /** One token for everybody. */
  readonly token?: string;
  /** A token per principal, e.g. per robot; sessions of different principals never meet. */
  readonly tokens?: Readonly<Record<string, string>>;
  /** Browser origins that may connect, e.g. `https://studio.example`. Requests without Origin are no browsers. */
  readonly allowedOrigins?: readonly string[];
}

/** Why a request was refused, with the HTTP status that says so. */
export interface Refusal {
  readonly status: 401 | 403 | 503;
  readonly reason: "token" | "origin" | "connections" | "draining";
}

/** What a listener asks about every request before anything else looks at it. */
export interface Access {
  readonly guarded: boolean;
  /** The principal behind an `Authorization` header, or the refusal. */
  principal(authorization: string | undefined): string | Refusal;
  /** The refusal of an `Origin` header, if it is refused. */
  origin(origin: string | undefined): Refusal | undefined;
}

const digest = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest();

/** Compile access rules. @throws INVALID_ARGUMENT for an empty token or one token shared by two principals */
export function makeAccess(options: AccessOptions): Access {
  const principals = principalsOf(options);
  const origins = new Set((options.allowedOrigins ?? []).map((origin) => origin.toLowerCase()));
  return {
    guarded: principals.length > 0,
    principal(authorization) {
      if (principals.length === 0) return "anonymous";
      const given = digest(tokenOf(authorization));
      let found: string | undefined;
      for (const { name, hash } of principals) if (timingSafeEqual(hash, given)) found = name;
      return found ?? { status: 401, reason: "token" };
    },
    origin(origin) {
      if (origin === undefined || origins.has(origin.toLowerCase())) return undefined;
      return { status: 403, reason: "origin" };
    },
  };
}

/** Refuse to listen where strangers could connect. @throws UNAUTHORIZED for a public address without a good token */
export function checkExposure(host: string, options: AccessOptions): void {
  if (isLoopback(host)) return;
  const tokens = principalsOf(options).map(({ token }) => token);
  if (tokens.length > 0 && tokens.every((token) => token.length >= minPublicToken)) return;
  fail({
    code: "UNAUTHORIZED",
    what: `refusing to listen on ${host}, which other machines can reach`,
    expected: `tokens of at least ${minPublicToken} characters`,
    got: tokens.length === 0 ? "no token" : "a shorter token",
    fix: "set `token` (for example from `openssl rand -hex 24`), or listen on 127.0.0.1",
  });
}

/** Can only this machine reach `host`? */
export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

interface Principal {
  readonly name: string;
  readonly token: string;
  readonly hash: Buffer;
}

function principalsOf({ token, tokens = {} }: AccessOptions): Principal[] {
  const named = Object.entries(token === undefined ? tokens : { ...tokens, default: token });
  const principals = named.map(([name, value]) => ({ name, token: value, hash: digest(value) }));
  const distinct = new Set(principals.map(({ token: value }) => value));
  if (distinct.has("") || distinct.size !== principals.length) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "tokens must be distinct and not empty",
      fix: "leave `token` out to serve without one (loopback only)",
    });
  }
  return principals;
}

function tokenOf(authorization: string | undefined): string {
  return /^(?:Api-Key|Bearer) +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "";
}
