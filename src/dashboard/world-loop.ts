/** @file Drives a world for its viewers at its own rate: the policy's in watching, the keyboard's in playing. */

import type { Binding, Key } from "../experiment/play/play-keys.ts";
import { defaultBindings } from "../experiment/play/play-keys.ts";
import type { PlayStep, PlayWorld } from "../experiment/play/play.ts";
import type { WatchView, WatchWorld } from "../experiment/play/watch.ts";
import type { FrameMoment, FramePanel } from "./frame.ts";

/** Something that shows a moment after another. */
export interface Show {
  readonly stepSeconds: number;
  next(): Promise<FrameMoment>;
  /** A key went down or up. */
  key(name: Key, down: boolean): void;
  close(): Promise<void>;
}

/** The policy at work. */
export function watchShow(world: WatchWorld): Show {
  const panel = (title: string, { frame, action, note }: WatchView): FramePanel => ({
    title,
    frame,
    action,
    lines: [note],
  });
  return {
    stepSeconds: world.stepSeconds,
    async next() {
      const { real, dreams } = await world.step();
      const panels = [panel("real", real), ...dreams.map((dream, i) => panel(`dream ${i + 1}`, dream))];
      return { mode: "watch", title: world.title, actionNames: world.actionNames, panels };
    },
    key: () => undefined,
    close: () => world.close(),
  };
}

interface Drive {
  readonly world: PlayWorld;
  last: PlayStep;
  action: Float32Array;
  total: number;
  steps: number;
}

function ended({ last }: Drive): boolean {
  return last.terminated || last.truncated;
}

function playPanel({ world, last, action, total, steps }: Drive): FramePanel {
  const end = last.terminated ? "ended: r starts over" : last.truncated ? "time is up: r starts over" : "";
  const score = `step ${steps} · reward ${last.reward.toFixed(2)} · sum ${total.toFixed(1)}`;
  return { title: world.title, frame: last.frame, action: [...action], lines: [score, last.note, end] };
}

/** float32 `[bindings.length]` from the keys that are down; opposite keys cancel out. */
export function heldAction(bindings: readonly Binding[], held: ReadonlySet<Key>): Float32Array {
  const one = (key: Key): number => (held.has(key) ? 1 : 0);
  return Float32Array.from(bindings, ([negative, positive]) => one(positive) - one(negative));
}

async function advance(drive: Drive, held: ReadonlySet<Key>): Promise<void> {
  if (ended(drive)) return;
  const { world } = drive;
  const action = new Float32Array(world.actionNames.length);
  action.set(heldAction((world.bindings ?? defaultBindings).slice(0, action.length), held));
  drive.action = action.slice();
  drive.last = await world.step(action);
  drive.total += drive.last.reward;
  drive.steps += 1;
}

/** Worlds under the viewer's keys: r starts over with the next seed, space pauses. */
export function playShow(worlds: readonly PlayWorld[]): Show {
  const held = new Set<Key>();
  let drives: Drive[] | undefined;
  let [seed, paused, restart] = [0, false, true];
  const start = async (): Promise<Drive[]> => {
    const lasts = await Promise.all(worlds.map((world) => world.reset(seed)));
    return worlds.map((world, i) => ({
      world,
      last: lasts[i],
      action: new Float32Array(),
      total: 0,
      steps: 0,
    }));
  };
  return {
    stepSeconds: Math.max(...worlds.map(({ stepSeconds }) => stepSeconds)),
    async next() {
      if (restart || drives === undefined) {
        restart = false;
        drives = await start();
      } else if (!paused) {
        await Promise.all(drives.map((drive) => advance(drive, held)));
      }
      const title = `seed ${seed}${paused ? ", paused" : ""}`;
      const [{ actionNames }] = worlds;
      return { mode: "play", title, actionNames, panels: drives.map(playPanel) };
    },
    key(name, down) {
      if (!down) held.delete(name);
      else if (name === "r") [restart, seed] = [true, seed + 1];
      else if (name === " ") paused = !paused;
      else held.add(name);
    },
    close: async () => {
      await Promise.all(worlds.map((world) => world.close()));
    },
  };
}

/** Show moment after moment, no faster than the world's clock, until `stopped`. */
export async function runShow(
  show: Show,
  send: (moment: FrameMoment) => void,
  stopped: AbortSignal,
): Promise<void> {
  try {
    while (!stopped.aborted) {
      const begun = performance.now();
      send(await show.next());
      const rest = show.stepSeconds * 1000 - (performance.now() - begun);
      await new Promise<void>((resolve) => {
        setTimeout(resolve, Math.max(1, rest));
      });
    }
  } finally {
    await show.close();
  }
}
