/** @file The terminal's view of a run: one live line per stage, or sparse single lines where no one is watching. */

/** Where a run writes for people. `isTTY` chooses the live line. */
export interface Output {
  write(text: string): void;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What the line of a running stage shows. */
export interface StageStatus {
  readonly index: number;
  readonly count: number;
  readonly name: string;
  /** In [0, 1]. */
  readonly fraction: number;
  readonly elapsedSeconds: number;
  /** Undefined until there is something to judge by. */
  readonly etaSeconds: number | undefined;
  readonly totalEtaSeconds: number | undefined;
  readonly memoryBytes: number;
  readonly note: string;
}

/** `7 s`, `3:07`, `1:02:45` */
export function clock(seconds: number | undefined): string {
  if (seconds === undefined) return "?";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** `512 MiB`, `3.2 GiB` */
export function memory(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  return mebibytes < 1024 ? `${Math.round(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

/** The status as one line of text. */
export function statusLine(s: StageStatus): string {
  const place = `[${s.index + 1}/${s.count}] ${s.name}`;
  const percent = `${String(Math.floor(s.fraction * 100)).padStart(3)} %`;
  const times = `${clock(s.elapsedSeconds)}, ETA ${clock(s.etaSeconds)}, all ${clock(s.totalEtaSeconds)}`;
  const note = s.note === "" ? "" : ` | ${s.note}`;
  return `${place} ${percent} | ${times} | ${memory(s.memoryBytes)}${note}`;
}

/** Shows statuses as they come; a caller may report as often as it likes. */
export interface ProgressView {
  show(status: StageStatus): void;
  /** A line that stays. */
  line(text: string): void;
  /** Take the live line away. */
  end(): void;
}

const liveMs = 100;
const quietMs = 30_000;
const quietShare = 0.1;

/** @param now clock in milliseconds, for tests */
export function openProgress(output: Output, now: () => number = Date.now): ProgressView {
  let live = "";
  let lastStage = -1;
  let lastTime = Number.NEGATIVE_INFINITY;
  let lastFraction = 0;
  const due = (status: StageStatus): boolean => {
    if (status.index !== lastStage) return true;
    const waited = now() - lastTime;
    if (output.isTTY) return waited >= liveMs;
    return waited >= quietMs || (waited >= quietMs / 10 && status.fraction >= lastFraction + quietShare);
  };
  const clear = (): void => {
    if (live !== "") output.write("\r\u001b[K");
    live = "";
  };
  return {
    show(status) {
      if (!due(status)) return;
      lastStage = status.index;
      lastTime = now();
      lastFraction = status.fraction;
      const text = statusLine(status);
      if (!output.isTTY) return output.write(`${text}\n`);
      live = text.slice(0, (output.columns ?? 80) - 1);
      output.write(`\r${live}\u001b[K`);
    },
    line(text) {
      const shown = live;
      clear();
      output.write(`${text}\n`);
      if (shown === "") return;
      live = shown;
      output.write(live);
    },
    end: clear,
  };
}
