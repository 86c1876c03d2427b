/** @file A world, or two side by side, driven from the keyboard in a terminal: the same keys go to both. */

import { fail } from "../../core/errors.ts";
import type { Binding, Key, KeyHold } from "./play-keys.ts";
import { defaultBindings, keysOf, makeKeyHold } from "./play-keys.ts";
import type { Panel, Pixels } from "./play-screen.ts";
import { screenText } from "./play-screen.ts";

/** What one step of a world shows. */
export interface PlayStep {
  /** uint8 `[H, W, 3]`. */
  readonly frame: Pixels;
  readonly reward: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
  /** What else to tell, as in `12.3 m/s, crash 4 %`. */
  readonly note: string;
}

/** A simulator or a dream behind the keyboard. */
export interface PlayWorld {
  readonly title: string;
  /** Name of each action component, in order; each in [-1, 1]. */
  readonly actionNames: readonly string[];
  /** Keys of each component; left and right, then down and up, unless given. */
  readonly bindings?: readonly Binding[];
  /** Step of the world's clock. */
  readonly stepSeconds: number;
  reset(seed: number): Promise<PlayStep>;
  /** @param action float32 `[actionNames.length]`; the world's to keep */
  step(action: Float32Array): Promise<PlayStep>;
  close(): Promise<void>;
}

/** The terminal: a TTY's two streams, or a test's. */
export interface PlayTerminal {
  readonly input: {
    readonly isTTY?: boolean;
    setRawMode?(raw: boolean): unknown;
    on(event: "data", listener: (data: Uint8Array | string) => void): unknown;
    off(event: "data", listener: (data: Uint8Array | string) => void): unknown;
    resume(): unknown;
    pause(): unknown;
  };
  readonly output: { write(text: string): unknown; readonly columns?: number; readonly rows?: number };
}

/** Time, so that a test can pass it. */
export interface PlayClock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

const realClock: PlayClock = {
  now: () => performance.now(),
  sleep: (ms) =>
    new Promise((resolve) => {
      setTimeout(resolve, ms);
    }),
};

const drawMs = 45;

interface Drive {
  readonly world: PlayWorld;
  last: PlayStep;
  total: number;
  steps: number;
}

interface Controls {
  quit: boolean;
  reset: boolean;
  paused: boolean;
}

/**
 * Drive until q. r starts over with the next seed, space pauses; a world that has ended waits for r.
 * Leaves the terminal as it was and closes the worlds, whatever happens.
 * @throws INVALID_ARGUMENT without a terminal
 */
export async function play(
  worlds: readonly PlayWorld[],
  terminal: PlayTerminal,
  options: { readonly seed?: number; readonly clock?: PlayClock } = {},
): Promise<void> {
  const clock = options.clock ?? realClock;
  const controls: Controls = { quit: false, reset: false, paused: false };
  const hold = makeKeyHold();
  const onKey = (key: Key): void => {
    if (key === "quit") controls.quit = true;
    else if (key === "r") controls.reset = true;
    else if (key === " ") controls.paused = !controls.paused;
    else hold.press(key, clock.now());
  };
  try {
    const leave = enterTerminal(terminal, onKey);
    try {
      await drive(worlds, { terminal, clock, controls, hold, firstSeed: options.seed ?? 0 });
    } finally {
      leave();
    }
  } finally {
    await Promise.all(worlds.map((world) => world.close()));
  }
}

interface Cockpit {
  readonly terminal: PlayTerminal;
  readonly clock: PlayClock;
  readonly controls: Controls;
  readonly hold: KeyHold;
  readonly firstSeed: number;
}

async function drive(worlds: readonly PlayWorld[], cockpit: Cockpit): Promise<void> {
  const { terminal, clock, controls, hold } = cockpit;
  const periodMs = Math.max(...worlds.map(({ stepSeconds }) => stepSeconds)) * 1000;
  const show = makeScreen(terminal, clock);
  let seed = cockpit.firstSeed;
  let drives = await startAll(worlds, seed);
  for (let due = clock.now() + periodMs; !controls.quit; due = Math.max(due + periodMs, clock.now())) {
    show(drives, footerOf(controls, seed));
    await clock.sleep(Math.max(0, due - clock.now()));
    if (controls.reset) drives = await startAll(worlds, ++seed);
    else if (!controls.paused) await Promise.all(drives.map((one) => advance(one, hold, clock.now())));
    controls.reset = false;
  }
}

/** A slow link gets no more pictures than it can show: none twice, and at most about twenty a second. */
function makeScreen(
  { output }: PlayTerminal,
  clock: PlayClock,
): (drives: readonly Drive[], footer: string) => void {
  let [last, lastMs] = ["", -Infinity];
  return (drives, footer) => {
    if (clock.now() - lastMs < drawMs && !drives.every(ended)) return;
    const text = screenText(drives.map(panelOf), output.columns ?? 80, output.rows ?? 40, footer);
    if (text === last) return;
    [last, lastMs] = [text, clock.now()];
    output.write(text);
  };
}

function footerOf({ paused }: Controls, seed: number): string {
  return `${paused ? "paused | " : ""}seed ${seed} | arrows or wasd drive, space pauses, r restarts, q quits`;
}

function startAll(worlds: readonly PlayWorld[], seed: number): Promise<Drive[]> {
  return Promise.all(
    worlds.map(async (world) => ({ world, last: await world.reset(seed), total: 0, steps: 0 })),
  );
}

function ended({ last }: Drive): boolean {
  return last.terminated || last.truncated;
}

async function advance(drive: Drive, hold: KeyHold, nowMs: number): Promise<void> {
  if (ended(drive)) return;
  const { world } = drive;
  const action = new Float32Array(world.actionNames.length);
  action.set(hold.action((world.bindings ?? defaultBindings).slice(0, action.length), nowMs));
  drive.last = await world.step(action);
  drive.total += drive.last.reward;
  drive.steps += 1;
}

function panelOf({ last, total, steps, world }: Drive): Panel {
  const end = last.terminated ? "ended (r restarts)" : last.truncated ? "time is up (r restarts)" : "";
  const score = `step ${steps}  reward ${last.reward.toFixed(2)}  sum ${total.toFixed(1)}`;
  return { title: world.title, pixels: last.frame, lines: [score, last.note, end] };
}

/** Raw keys and the alternate screen; returns what undoes it. */
function enterTerminal({ input, output }: PlayTerminal, onKey: (key: Key) => void): () => void {
  if (input.isTTY !== true || input.setRawMode === undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "playing needs a terminal",
      expected: "a keyboard on standard input",
      got: "a file or a pipe",
      fix: "call it from an interactive shell (over ssh: ssh -t)",
    });
  }
  const listen = (data: Uint8Array | string): void => {
    for (const key of keysOf(typeof data === "string" ? data : Buffer.from(data).toString("utf8")))
      onKey(key);
  };
  input.setRawMode(true);
  input.on("data", listen);
  input.resume();
  output.write("\u001b[?1049h\u001b[?25l");
  return () => {
    output.write("\u001b[?25h\u001b[?1049l");
    input.off("data", listen);
    input.pause();
    input.setRawMode?.(false);
  };
}
