/** @file An operator as a process: drives the robot at `url` forward, an action every 20 ms, until it is killed. */

import { float32 } from "../../../../src/core/ndarray.ts";
import { connectRobot } from "../../../../src/bridge/safety.ts";

const [url] = process.argv.slice(2);
const env = await connectRobot(url);
await env.reset();
setInterval(() => env.act(float32([1], [1, 1]), { stepSeconds: 0.1 }), 20);
process.stdout.write("driving\n");
