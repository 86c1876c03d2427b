/** @file Keyboard play: keys to actions, pictures to text, and a drive on a terminal that is not there. */

import { describe, expect, it } from "vitest";
import { defaultBindings, keysOf, makeKeyHold } from "../../../src/experiment/play/play-keys.ts";
import { fitPixels, halfBlocks, screenText } from "../../../src/experiment/play/play-screen.ts";
import type { PlayClock, PlayStep, PlayTerminal, PlayWorld } from "../../../src/experiment/play/play.ts";
import { play } from "../../../src/experiment/play/play.ts";
import { thrownBy } from "../folders.ts";

describe("keys", () => {
  it("are read from what terminals send, several at once, unknown sequences left out", () => {
    expect(keysOf("\u001b[A\u001bOBd\u001b[C\u001b[15~A \u001b[1;5D")).toEqual([
      "up",
      "down",
      "right",
      "right",
      "left",
      " ",
    ]);
    expect(keysOf("q\u0003")).toEqual(["quit", "quit"]);
  });

  it("hold over a keyboard's pause before it repeats, and let go soon after the last repeat", () => {
    const hold = makeKeyHold();
    hold.press("left", 0);
    expect([...hold.action(defaultBindings, 500)]).toEqual([-1, 0]);
    hold.press("left", 510);
    expect([...hold.action(defaultBindings, 700)]).toEqual([-1, 0]);
    expect([...hold.action(defaultBindings, 740)]).toEqual([0, 0]);
  });

  it("work together, and a key ends its opposite at once", () => {
    const hold = makeKeyHold();
    hold.press("up", 0);
    hold.press("left", 0);
    expect([...hold.action(defaultBindings, 10)]).toEqual([-1, 1]);
    hold.press("right", 20);
    expect([...hold.action(defaultBindings, 30)]).toEqual([1, 1]);
    expect([...hold.action([["right", "left"]], 30)]).toEqual([-1]);
  });
});

describe("pictures in a terminal", () => {
  it("put two pixel rows into each line, colours only where they change", () => {
    const pixels = {
      width: 2,
      height: 3,
      data: Uint8Array.from([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 0, 0, 0]),
    };
    expect(halfBlocks(pixels)).toEqual([
      "\u001b[38;2;1;2;3;48;2;4;5;6m▀▀\u001b[0m",
      "\u001b[38;2;7;8;9;48;2;7;8;9m▀\u001b[38;2;0;0;0;48;2;0;0;0m▀\u001b[0m",
    ]);
  });

  it("are averaged down to the room there is", () => {
    const data = Uint8Array.from({ length: 4 * 4 * 3 }, (_, i) => Math.floor(i / 3) * 10);
    const small = fitPixels({ width: 4, height: 4, data }, 2, 99);
    expect([small.width, small.height]).toEqual([2, 2]);
    expect([small.data[0], small.data[3], small.data[6]]).toEqual([25, 45, 105]);
  });

  it("stand side by side within the terminal's width and height", () => {
    const pixels = { width: 64, height: 64, data: new Uint8Array(64 * 64 * 3) };
    const panel = { title: "t".repeat(200), pixels, lines: ["a", "b", "c"] };
    const text = screenText([panel, panel], 80, 30, "footer");
    // oxlint-disable-next-line no-control-regex -- takes the colours out
    const rows = text.replace(/\u001b\[[\d;]*[a-zA-Z]/g, "").split("\r\n");
    expect(rows.length).toBeLessThanOrEqual(30);
    for (const row of rows) expect(row.length).toBeLessThanOrEqual(80);
    expect(rows.at(-1)).toContain("footer");
  });
});

interface FakeWorld extends PlayWorld {
  readonly calls: string[];
}

function makeWorld(endsAt = Infinity): FakeWorld {
  const calls: string[] = [];
  let steps = 0;
  const show = (): PlayStep => ({
    frame: { height: 2, width: 2, data: new Uint8Array(12) },
    reward: 0.5,
    terminated: steps >= endsAt,
    truncated: false,
    note: `speed ${steps} m/s`,
  });
  return {
    calls,
    title: "counter",
    actionNames: ["steer", "accel"],
    stepSeconds: 0.1,
    async reset(seed) {
      steps = 0;
      calls.push(`reset ${seed}`);
      return show();
    },
    async step(action) {
      steps += 1;
      calls.push([...action].join(" "));
      return show();
    },
    async close() {
      calls.push("close");
    },
  };
}

/** A terminal on which the given keys are pressed at the given milliseconds; the last should quit. */
function makeTerminal(script: Readonly<Record<number, string>>): {
  terminal: PlayTerminal;
  clock: PlayClock;
  log: string[];
  shown: () => string;
} {
  let now = 0;
  let text = "";
  const log: string[] = [];
  const listeners = new Set<(data: string) => void>();
  const due = Object.entries(script).map(([at, keys]) => ({ at: Number(at), keys }));
  const input: PlayTerminal["input"] = {
    isTTY: true,
    setRawMode: (raw) => log.push(`raw ${raw}`),
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    resume: () => undefined,
    pause: () => log.push(`pause ${listeners.size}`),
  };
  const clock: PlayClock = {
    now: () => now,
    async sleep(ms) {
      now += ms;
      while (due.length > 0 && due[0].at <= now)
        for (const listener of listeners) listener(due.shift()?.keys ?? "");
    },
  };
  const output = { columns: 80, rows: 40, write: (more: string) => (text += more) };
  return { terminal: { input, output }, clock, log, shown: () => text };
}

describe("playing", () => {
  it("steps at the world's rate with the held keys, shows reward and note, and restores the terminal", async () => {
    const world = makeWorld();
    const { terminal, clock, log, shown } = makeTerminal({ 150: "\u001b[D", 250: "w", 350: "q" });
    await play([world], terminal, { clock, seed: 5 });
    expect(world.calls).toEqual(["reset 5", "0 0", "-1 0", "-1 1", "-1 1", "close"]);
    expect(shown()).toContain("step 2  reward 0.50  sum 1.0");
    expect(shown()).toContain("speed 2 m/s");
    expect(log).toEqual(["raw true", "pause 0", "raw false"]);
    expect(shown().endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
  });

  it("gives both worlds the same keys, and one that has ended waits for r", async () => {
    const [real, dream] = [makeWorld(), makeWorld(2)];
    const { terminal, clock, shown } = makeTerminal({ 50: "d", 350: "r", 450: "q" });
    await play([real, dream], terminal, { clock });
    expect(real.calls).toEqual(["reset 0", "1 0", "1 0", "1 0", "reset 1", "1 0", "close"]);
    expect(dream.calls).toEqual(["reset 0", "1 0", "1 0", "reset 1", "1 0", "close"]);
    expect(shown()).toContain("ended (r restarts)");
  });

  it("pauses on space", async () => {
    const world = makeWorld();
    const { terminal, clock } = makeTerminal({ 150: " ", 350: " ", 450: "q" });
    await play([world], terminal, { clock });
    expect(world.calls.filter((call) => call === "0 0")).toHaveLength(3);
  });

  it("restores the terminal and closes the worlds when a world fails", async () => {
    const world = { ...makeWorld(), step: () => Promise.reject(new Error("flat tyre")) };
    const { terminal, clock, log } = makeTerminal({});
    expect((await thrownBy(() => play([world], terminal, { clock }))).message).toBe("flat tyre");
    expect(log.at(-1)).toBe("raw false");
    expect(world.calls.at(-1)).toBe("close");
  });

  it("without a terminal is refused, and the worlds are closed", async () => {
    const world = makeWorld();
    const { terminal, clock } = makeTerminal({});
    const pipe = { ...terminal, input: { ...terminal.input, isTTY: false } };
    const error = await thrownBy(() => play([world], pipe, { clock }));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(world.calls).toEqual(["close"]);
  });
});
