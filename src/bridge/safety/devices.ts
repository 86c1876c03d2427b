/** @file Kinds of robots that a guard can hold, by name. */

import { z } from "zod";

import { fail } from "../../core/errors.ts";
import { makeRosbridgeDevice, rosbridgeSchema } from "../rosbridge.ts";
import { importModule } from "../server/worker.ts";
import type { Clock, Device } from "./device.ts";
import { makeSocketDevice, socketDeviceSchema } from "./socket-device.ts";

/** A driver of one's own: a module that exports `makeDevice(options, clock)`; loaded on the guard's thread. */
export const moduleDeviceSchema = z.strictObject({
  kind: z.literal("module"),
  url: z.string().describe("file: URL or package name of the module"),
  options: z.record(z.string(), z.unknown()).default({}),
});

/** Settings of the robot's connection. */
export const deviceSchema = z.discriminatedUnion("kind", [
  socketDeviceSchema,
  rosbridgeSchema,
  moduleDeviceSchema,
]);

/** Settings of the robot's connection, as written by a person. */
export type DeviceInput = z.input<typeof deviceSchema>;

/** Check settings. @throws INVALID_CONFIG naming each wrong field */
export function parseDevice(input: unknown): z.infer<typeof deviceSchema> {
  const result = deviceSchema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  return fail({ code: "INVALID_CONFIG", what: "the device settings are wrong", got: problems.join("; ") });
}

/** Make the device that `settings` describe; it connects when the guard opens it. */
export async function makeDevice(settings: z.infer<typeof deviceSchema>, clock: Clock): Promise<Device> {
  if (settings.kind === "rosbridge") return makeRosbridgeDevice(settings, clock);
  if (settings.kind === "websocket") return makeSocketDevice(settings, clock);
  const { makeDevice: make } = await importModule(settings.url);
  if (typeof make === "function")
    return (make as (options: unknown, clock: Clock) => Device)(settings.options, clock);
  return fail({ code: "INVALID_CONFIG", what: `module ${settings.url} exports no function makeDevice` });
}
