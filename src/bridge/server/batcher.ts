/** @file Fair batching: one inference in flight per session, the newest observation of each, everybody in turn. */

import type { WireMap } from "../codec.ts";
import { describe, type Inference, type InferenceBatch, type InferenceResult } from "../inference.ts";

/** One observation waiting for its action. */
export interface Job {
  /** Unique key of the session; one of its jobs runs at a time. */
  readonly session: string;
  /** Numbered requests are superseded by newer ones; unnumbered ones wait in line. */
  readonly seq: number | undefined;
  readonly observation: WireMap;
  /** First of an episode; also set when the policy was restarted. */
  readonly begins: boolean;
  /** Receives the outcome, `queueMs` after `submit`. */
  readonly settle: (result: InferenceResult, timings: { queueMs: number; inferMs: number }) => void;
}

interface Line {
  readonly jobs: (Job & { readonly submittedMs: number })[];
  busy: boolean;
  generation: number;
  /** A superseded job began the episode; the next one that runs begins it instead. */
  begins: boolean;
}

/** Collects jobs while a batch runs and makes the next batch of whoever has waited longest. */
export class FairBatcher {
  private readonly inference: Inference;
  private readonly maxBatch: number;
  private readonly lines = new Map<string, Line>();
  private readonly waiting = new Set<string>();
  private running = false;
  private idle: (() => void)[] = [];

  constructor(inference: Inference, maxBatch: number) {
    this.inference = inference;
    this.maxBatch = maxBatch;
  }

  /** Jobs of a session that wait, the running one not counted. */
  queued(session: string): number {
    return this.lines.get(session)?.jobs.length ?? 0;
  }

  /** Add a job. @returns the numbered job that it replaced, if any */
  submit(job: Job): Job | undefined {
    const line = this.line(job.session);
    const last = line.jobs.at(-1);
    const superseded = job.seq !== undefined && last?.seq !== undefined ? line.jobs.pop() : undefined;
    line.begins ||= superseded?.begins === true;
    line.jobs.push({ ...job, submittedMs: performance.now() });
    if (!line.busy) this.waiting.add(job.session);
    this.pump();
    return superseded;
  }

  /** Forget what a session has waiting. */
  drop(session: string): void {
    const line = this.lines.get(session);
    if (line === undefined) return;
    line.jobs.length = 0;
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
    const batch = this.nextBatch();
    if (batch.length === 0) {
      for (const resolve of this.idle.splice(0)) resolve();
      return;
    }
    this.running = true;
    void this.run(batch).finally(() => {
      this.running = false;
      this.pump();
    });
  }

  private nextBatch(): { job: Line["jobs"][number]; line: Line; begins: boolean }[] {
    const batch: { job: Line["jobs"][number]; line: Line; begins: boolean }[] = [];
    for (const session of this.waiting) {
      if (batch.length === this.maxBatch) break;
      this.waiting.delete(session);
      const line = this.line(session);
      const job = line.jobs.shift();
      if (job === undefined) continue;
      line.busy = true;
      const begins = job.begins || line.begins || line.generation !== this.inference.generation;
      line.generation = this.inference.generation;
      line.begins = false;
      batch.push({ job, line, begins });
    }
    return batch;
  }

  private async run(batch: ReturnType<FairBatcher["nextBatch"]>): Promise<void> {
    const startMs = performance.now();
    const requests = batch.map(({ job, begins }) => ({
      session: job.session,
      begins,
      observation: job.observation,
    }));
    const { results, inferMs } = await this.inference
      .infer(requests)
      .catch((error: unknown): InferenceBatch => ({
        results: batch.map(() => ({ error: describe(error) })),
        inferMs: 0,
      }));
    batch.forEach(({ job, line }, i) => {
      line.busy = false;
      if (line.jobs.length > 0 && this.lines.get(job.session) === line) this.waiting.add(job.session);
      job.settle(results[i], { queueMs: startMs - job.submittedMs, inferMs });
    });
  }
}
