/** @file What a guard does, as metrics: armed or not, stops by reason, refusals, and how evenly setpoints leave. */

import type { Metrics } from "../metrics.ts";
import type { GuardListener } from "../safety/guard.ts";

/** What feeds a guard's metrics. */
export interface GuardMetrics extends Required<GuardListener> {
  /** Take the time that one action took inside the guard. */
  readonly action: (milliseconds: number) => void;
}

function declare(metrics: Metrics): void {
  metrics
    .declare("reverie_robot_armed", "gauge", "1 while commands move the robot.")
    .declare("reverie_robot_connected", "gauge", "1 while the motor can be reached.")
    .declare("reverie_robot_stops_total", "counter", "Safe stops, by reason.")
    .declare("reverie_robot_refused_total", "counter", "Actions refused, by reason.")
    .declare("reverie_robot_warnings_total", "counter", "Complaints of the robot's driver.")
    .declare("reverie_robot_setpoints_total", "counter", "Setpoints sent to the motor, by kind.")
    .declare(
      "reverie_robot_missed_ticks_total",
      "counter",
      "Ticks left out because the guard's thread was not run in time.",
    )
    .declare("reverie_robot_limited_total", "counter", "Setpoints that a limit changed.")
    .declare(
      "reverie_robot_action_seconds",
      "summary",
      "From an action's arrival to its setpoint's departure.",
    )
    .declare("reverie_robot_setpoint_interval_seconds", "summary", "Time between setpoints while armed.");
  metrics.set("reverie_robot_armed", 0);
  metrics.set("reverie_robot_connected", 0);
  metrics.count("reverie_robot_missed_ticks_total", {}, 0);
}

/** Declare a guard's metrics; returns the listener that feeds them. */
export function guardMetrics(metrics: Metrics): GuardMetrics {
  declare(metrics);
  let lastMs: number | undefined;
  return {
    action: (milliseconds) => metrics.observe("reverie_robot_action_seconds", milliseconds / 1000),
    event(event) {
      if (event.type === "refused")
        return metrics.count("reverie_robot_refused_total", { reason: event.refusal });
      if (event.type === "device") return metrics.set("reverie_robot_connected", event.up ? 1 : 0);
      if (event.type === "warned") return metrics.count("reverie_robot_warnings_total");
      metrics.set("reverie_robot_armed", event.type === "armed" ? 1 : 0);
      if (event.type === "stopped") metrics.count("reverie_robot_stops_total", { reason: event.reason });
    },
    missed: (ticks) => metrics.count("reverie_robot_missed_ticks_total", {}, ticks),
    sent(setpoint, atMs) {
      metrics.count("reverie_robot_setpoints_total", { kind: setpoint.kind });
      if (setpoint.limited) metrics.count("reverie_robot_limited_total");
      const moving = setpoint.kind === "command";
      if (moving && lastMs !== undefined)
        metrics.observe("reverie_robot_setpoint_interval_seconds", (atMs - lastMs) / 1000);
      lastMs = moving ? atMs : undefined;
    },
  };
}
