/** @file A control for tests in real time: what comes late beside a plain thread that is late itself, the machine made late. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { asError } from "../../../src/core/errors.ts";

/** A plain thread that wants to wake every 10 ms. */
const ticker = `
  const { parentPort, receiveMessageOnPort } = require("node:worker_threads");
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  let [last, longestMs] = [performance.now(), 0];
  do {
    Atomics.wait(sleeper, 0, 0, 10);
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
  } while (receiveMessageOnPort(parentPort) === undefined);
  parentPort.postMessage(longestMs);
`;

/** The longest pause between two of its ticks, in milliseconds, while `body` ran; and what `body` threw. */
async function beside(body: () => Promise<void>): Promise<{ longestMs: number; thrown: Error | undefined }> {
  const worker = new Worker(ticker, { eval: true });
  await once(worker, "online");
  const thrown = await body().then(() => undefined, asError);
  worker.postMessage("end");
  const [longestMs] = (await once(worker, "message")) as [number];
  await worker.terminate();
  return { longestMs, thrown };
}

/** A plain thread that is woken later than this says that the machine does not keep time. */
const lateMs = 25;
const attempts = 6;

/** Run the body of a test in real time. Where it fails while a plain thread was late beside it, it is run again, a few times. */
export async function keepingTime(body: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { longestMs, thrown } = await beside(body);
    if (thrown === undefined) return;
    if (longestMs <= lateMs || attempt === attempts) throw thrown;
  }
}
