#!/usr/bin/env node
/** @file The `reverie` command. */

import { main } from "./cli/program.ts";

process.exitCode = await main(process.argv.slice(2));
