/** @file Keys of a terminal turned into actions: a terminal tells presses but no releases, so a press holds for a moment. */

/** Name of a key: an arrow, or the letter itself. */
export type Key = string;

const sequences: Readonly<Record<string, Key>> = { A: "up", B: "down", C: "right", D: "left" };
const letters: Readonly<Record<string, Key>> = {
  w: "up",
  s: "down",
  d: "right",
  a: "left",
  "\u0003": "quit",
  q: "quit",
};

/** Keys in what a terminal sent; wasd are the arrows, q and Ctrl-C are `quit`, unknown sequences are left out. */
export function keysOf(data: string): Key[] {
  const keys: Key[] = [];
  // oxlint-disable-next-line no-control-regex -- escape is what a terminal sends
  for (const [all, arrow] of data.matchAll(/\u001b(?:[[O]([A-Z])|\[[0-9;]*[~a-zA-Z])|[^\u001b]/g)) {
    const key =
      arrow === undefined
        ? all.length === 1
          ? (letters[all.toLowerCase()] ?? all.toLowerCase())
          : undefined
        : sequences[arrow];
    if (key !== undefined) keys.push(key);
  }
  return keys;
}

/** Key that pushes an action component down, and key that pushes it up. */
export type Binding = readonly [negative: Key, positive: Key];

/** Bindings by component where a world names none: left and right, then brake and gas. */
export const defaultBindings: readonly Binding[] = [
  ["left", "right"],
  ["down", "up"],
];

/** Longer than a keyboard's pause between repeats, shorter than one would call sluggish. */
const holdMs = 220;
/** A keyboard waits about this long before it repeats a held key. */
const firstHoldMs = 520;

/** Which keys are held, judged by their repeats. */
export interface KeyHold {
  press(key: Key, nowMs: number): void;
  /** float32 `[bindings.length]`, each -1, 0 or 1; a key overrules its opposite. */
  action(bindings: readonly Binding[], nowMs: number): Float32Array;
}

/** Nothing held at first. */
export function makeKeyHold(): KeyHold {
  const until = new Map<Key, number>();
  const opposite: Readonly<Record<Key, Key>> = { left: "right", right: "left", up: "down", down: "up" };
  return {
    press(key, nowMs) {
      const repeating = (until.get(key) ?? 0) > nowMs;
      until.set(key, nowMs + (repeating ? holdMs : firstHoldMs));
      until.delete(opposite[key] ?? "");
    },
    action(bindings, nowMs) {
      const held = (key: Key): number => ((until.get(key) ?? 0) > nowMs ? 1 : 0);
      return Float32Array.from(bindings, ([negative, positive]) => held(positive) - held(negative));
    },
  };
}
