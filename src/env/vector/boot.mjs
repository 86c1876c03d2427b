/** @file Boots a worker thread whose entry is TypeScript: Node needs a loader registered inside the worker first. */

import { workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
await import(workerData.entry);
