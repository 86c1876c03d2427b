/** @file Fair batching: one inference in flight per session, the newest observation of each, everybody in turn. */

import {
  describe,
  type Inference,
  type InferenceItem,
  type InferenceResult,
  type ReplyStamp,
} from "../inference.ts";
import type { DecodeLimits } from "../limits.ts";

/** Whoever submitted a job and waits for its outcome. */
export interface JobOwner {
  settled(job: Job, result: InferenceResult, inferMs: number): void;
}

/** One observation waiting for its action. */
export interface Job {
  /** Unique key of the session; one of its jobs runs at a time. */
  readonly session: string;
  /** The message; its memory moves to the policy. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Length of the message. */
  readonly size: number;
  /** Numbered requests are superseded by newer ones; those without `seq` wait in line. */
  readonly stamp: ReplyStamp;
  /** First of an episode; the batcher adds the first after a restart of the policy. */
  begins: boolean;
  readonly submittedMs: number;
  readonly owner: JobOwner;
}

interface Line {
  readonly jobs: Job[];
  busy: boolean;
  generation: number;
  /** A job that began the episode was superseded, dropped or failed; the next one that runs begins it instead. */
  begins: boolean;
}

/** Collects jobs while a batch runs and makes the next batch of whoever has waited longest. */
export class FairBatcher {
  private readonly inference: Inference;
  private readonly maxBatch: number;
  private readonly limits: DecodeLimits;
  private readonly lines = new Map<string, Line>();
  private readonly waiting = new Set<string>();
  private running = false;
  private idle: (() => void)[] = [];

  constructor(inference: Inference, maxBatch: number, limits: DecodeLimits) {
    this.inference = inference;
    this.maxBatch = maxBatch;
    const { maxBytes, maxDepth, maxValues, maxRank, maxElements } = limits;
    this.limits = { maxBytes, maxDepth, maxValues, maxRank, maxElements };
  }

  /** Jobs of a session that wait, the running one not counted. */
  queued(session: string): number {
    return this.lines.get(session)?.jobs.length ?? 0;
  }

  /** Add a job. @returns the numbered job that it replaced, if any */
  submit(job: Job): Job | undefined {
    const line = this.line(job.session);
    const numbered = job.stamp.seq !== undefined && line.jobs.at(-1)?.stamp.seq !== undefined;
    const superseded = numbered ? line.jobs.pop() : undefined;
    line.begins ||= superseded?.begins === true;
    line.jobs.push(job);
    if (!line.busy) this.waiting.add(job.session);
    this.pump();
    return superseded;
  }

  /** Forget what a session has waiting. */
  drop(session: string): void {
    const line = this.lines.get(session);
    if (line === undefined) return;
    for (const { begins } of line.jobs.splice(0)) line.begins ||= begins;
    this.waiting.delete(session);
  }

  /** The session is over. */
  end(session: string): void {
    this.drop(session);
    this.lines.delete(session);
    this.inference.end(session);
  }

  /** Resolves when nothing runs or waits. */
  async whenIdle(): Promise<void> {
    if (!this.running && this.waiting.size === 0) return;
    await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private line(session: string): Line {
    let line = this.lines.get(session);
    if (line === undefined) {
      line = { jobs: [], busy: false, generation: -1, begins: false };
      this.lines.set(session, line);
    }
    return line;
  }

  private pump(): void {
    if (this.running) return;
    const jobs = this.nextBatch();
    if (jobs.length > 0) void this.run(jobs);
    else for (const resolve of this.idle.splice(0)) resolve();
  }

  private nextBatch(): Job[] {
    const jobs: Job[] = [];
    for (const session of this.waiting) {
      if (jobs.length === this.maxBatch) break;
      this.waiting.delete(session);
      const line = this.line(session);
      const job = line.jobs.shift();
      if (job === undefined) continue;
      line.busy = true;
      job.begins ||= line.begins || line.generation !== this.inference.generation;
      line.generation = this.inference.generation;
      line.begins = false;
      jobs.push(job);
    }
    return jobs;
  }

  private async run(jobs: readonly Job[]): Promise<void> {
    this.running = true;
    const startMs = performance.now();
    const items: InferenceItem[] = [];
    for (const { session, begins, bytes, stamp, submittedMs } of jobs) {
      stamp.queueMs = startMs - submittedMs;
      items.push({ session, begins, bytes, stamp, limits: this.limits });
    }
    let results: readonly InferenceResult[];
    let inferMs = 0;
    try {
      ({ results, inferMs } = await this.inference.infer(items));
    } catch (error) {
      results = jobs.map(() => ({ error: describe(error) }));
    }
    for (let i = 0; i < jobs.length; i++) this.settle(jobs[i], results[i], inferMs);
    this.running = false;
    this.pump();
  }

  private settle(job: Job, result: InferenceResult, inferMs: number): void {
    const line = this.lines.get(job.session);
    if (line !== undefined) {
      line.busy = false;
      line.begins ||= job.begins && "error" in result;
      if (line.jobs.length > 0) this.waiting.add(job.session);
    }
    job.owner.settled(job, result, inferMs);
  }
}
