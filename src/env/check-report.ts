/** @file What an environment checker found: faults that break the contract, and warnings. */

import { fail } from "../core/errors.ts";

/** Result of `checkEnv` and `checkVectorEnv`. */
export interface CheckResult {
  /** Things that work but will probably surprise. */
  readonly warnings: readonly string[];
  /** Names of the laws that were checked. */
  readonly checked: readonly string[];
  /** Laws that could not be checked, with the reason. */
  readonly skipped: readonly string[];
}

/** Collects findings, so that one run of a checker tells everything that is to be changed. */
export class CheckReport {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  readonly checked: string[] = [];
  readonly skipped: string[] = [];
  #law = "";

  /** Run the checks of one law; what it throws is a finding too. */
  async law(name: string, check: () => void | Promise<void>): Promise<void> {
    this.#law = name;
    try {
      await check();
    } catch (error) {
      this.problems.push(`${name}: threw ${error instanceof Error ? error.message : String(error)}`);
    }
    this.checked.push(name);
  }

  /** `law` for checks that need not wait. */
  lawSync(name: string, check: () => void): void {
    this.#law = name;
    try {
      check();
    } catch (error) {
      this.problems.push(`${name}: threw ${error instanceof Error ? error.message : String(error)}`);
    }
    this.checked.push(name);
  }

  /** Note a fault of the present law unless `holds`. `advice` says what to change. */
  must(holds: boolean, advice: string): void {
    const line = `${this.#law}: ${advice}`;
    if (!holds && !this.problems.includes(line)) this.problems.push(line);
  }

  /** Note a warning unless `holds`. */
  should(holds: boolean, advice: string): void {
    const line = `${this.#law}: ${advice}`;
    if (!holds && !this.warnings.includes(line)) this.warnings.push(line);
  }

  /** Note that a law was not checked. */
  skip(name: string, reason: string): void {
    this.skipped.push(`${name}: ${reason}`);
  }

  /** The result. @throws ENV_CONTRACT that lists every fault. */
  finish(subject: string): CheckResult {
    const { problems, warnings, checked, skipped } = this;
    if (problems.length > 0) {
      fail({
        code: "ENV_CONTRACT",
        what: `${subject} breaks ${problems.length} rule${problems.length > 1 ? "s" : ""} of its contract`,
        got: problems.map((line) => `\n  - ${line}`).join(""),
        fix: "change the environment where a line says so; see the contract in src/env/env.ts",
      });
    }
    return { warnings, checked, skipped };
  }
}
