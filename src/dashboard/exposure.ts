/** @file Who may look: a token off loopback, no foreign pages, no names that were bent to this machine. */

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { fail } from "../core/errors.ts";

const shortestToken = 16;
const cookieName = "reverie_dashboard";

/** Can only this machine reach `host`? */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** @throws UNAUTHORIZED for an address that other machines reach, without a token of at least 16 characters */
export function requireToken(host: string, token: string | undefined): void {
  if (isLoopback(host) && token !== "") return;
  if ((token ?? "").length >= shortestToken) return;
  fail({
    code: "UNAUTHORIZED",
    what: `refusing to show the dashboard on ${host}`,
    expected: `a token of at least ${shortestToken} characters, because other machines can reach it`,
    got: token === undefined ? "no token" : "a shorter token",
    fix: "set REVERIE_DASHBOARD_TOKEN (for example from `openssl rand -hex 24`), or listen on 127.0.0.1",
  });
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash("sha256").update(text).digest());
  return timingSafeEqual(left, right);
}

function givenToken(request: IncomingMessage): string {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const cookies = (request.headers.cookie ?? "").split(/; */);
  const cookie = cookies.find((one) => one.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
  return bearer ?? decodeURIComponent(cookie ?? "");
}

/** The name in a Host or Origin header, without port and brackets. */
function nameOf(header: string): string {
  return header
    .replace(/^[a-z]+:\/\//i, "")
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");
}

/** Decides about requests. */
export interface Gate {
  /** Status that refuses the request; undefined lets it in. */
  refuse(request: IncomingMessage): 401 | 403 | undefined;
  /** Header that remembers a token given once in the address, so that it can leave the address. */
  cookieFor(token: string): string | undefined;
}

/**
 * @param host address that the server listens on
 * @param token needed from everyone where there is one
 */
export function makeGate(host: string, token: string | undefined): Gate {
  return {
    refuse(request) {
      const name = nameOf(request.headers.host ?? "");
      const { origin } = request.headers;
      // A page of another site may not speak for its visitor, nor may a name that resolves to loopback.
      if (origin !== undefined && nameOf(origin) !== name) return 403;
      if (token === undefined) return isLoopback(host) && !isLoopback(name) ? 403 : undefined;
      return sameText(givenToken(request), token) ? undefined : 401;
    },
    cookieFor(given) {
      if (token === undefined || !sameText(given, token)) return undefined;
      return `${cookieName}=${encodeURIComponent(token)}; HttpOnly; SameSite=Strict; Path=/`;
    },
  };
}
