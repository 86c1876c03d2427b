/** @file What happens on the bridge's listeners, as metrics: requests, refusals, faults, and where each connection's time goes. */

import type { Metrics } from "../metrics.ts";
import type { BridgeEvent, EventSink } from "../server/events.ts";

/** Seconds of a request's stages, per connection. */
const stages = ["queue", "infer", "encode", "network"] as const;

/** Declare the bridge's metrics; returns the sink that feeds them. */
export function bridgeMetrics(metrics: Metrics): EventSink {
  metrics
    .declare("reverie_connections", "gauge", "Connections open now.")
    .declare("reverie_connections_total", "counter", "Connections accepted.")
    .declare("reverie_refused_total", "counter", "Connections refused, by reason.")
    .declare("reverie_requests_total", "counter", "Requests answered, by endpoint.")
    .declare("reverie_superseded_total", "counter", "Observations replaced by a newer one before inference.")
    .declare("reverie_faults_total", "counter", "Messages that were refused, by code.")
    .declare("reverie_received_bytes_total", "counter", "Bytes of requests.")
    .declare("reverie_sent_bytes_total", "counter", "Bytes of replies.")
    .declare("reverie_worker_failures_total", "counter", "Inference workers that failed.");
  for (const stage of stages) {
    metrics.declare(`reverie_${stage}_seconds`, "summary", `Time in stage "${stage}", per connection.`);
  }
  let open = 0;
  metrics.set("reverie_connections", open);
  return (event) => {
    if (event.type === "connected") open += 1;
    if (event.type === "disconnected") open -= 1;
    metrics.set("reverie_connections", open);
    feed(metrics, event);
  };
}

function feed(metrics: Metrics, event: BridgeEvent): void {
  const seconds = (stage: (typeof stages)[number], peer: number, ms: number): void =>
    metrics.observe(`reverie_${stage}_seconds`, ms / 1000, { connection: peer });
  switch (event.type) {
    case "connected":
      return metrics.count("reverie_connections_total");
    case "disconnected":
      return metrics.forget({ connection: event.peer });
    case "refused":
      return metrics.count("reverie_refused_total", { reason: event.reason });
    case "roundtrip":
      return seconds("network", event.peer, event.networkMs);
    case "superseded":
      return metrics.count("reverie_superseded_total");
    case "fault":
      return metrics.count("reverie_faults_total", { code: event.code });
    case "worker-failed":
      return metrics.count("reverie_worker_failures_total");
    default:
  }
  if (event.type !== "request") return;
  metrics.count("reverie_requests_total", { endpoint: event.endpoint });
  metrics.count("reverie_received_bytes_total", {}, event.bytesIn);
  metrics.count("reverie_sent_bytes_total", {}, event.bytesOut);
  seconds("queue", event.peer, event.queueMs);
  seconds("infer", event.peer, event.inferMs);
  seconds("encode", event.peer, event.encodeMs);
}
