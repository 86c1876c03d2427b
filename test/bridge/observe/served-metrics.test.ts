/** @file A policy server seen through `/metrics`: each connection's queue, inference, encoding and network times. */

import { expect, it } from "vitest";

import { localInference } from "../../../src/bridge/inference.ts";
import { Metrics, metricsRoute } from "../../../src/bridge/metrics.ts";
import { bridgeMetrics } from "../../../src/bridge/observe/bridge-metrics.ts";
import { openPolicyServer } from "../../../src/bridge/policy-server.ts";
import { RemotePolicy } from "../../../src/bridge/remote-policy.ts";
import { float32 } from "../../../src/core/ndarray.ts";
import { until } from "../safety/processes.ts";

it("a policy server shows percentiles per connection, and forgets a connection that is gone", async () => {
  const metrics = new Metrics();
  const server = await openPolicyServer({
    inference: localInference({
      infer: (requests) => requests.map(() => ({ actions: float32([1], [1, 1]) })),
    }),
    port: 0,
    routes: { "/metrics": metricsRoute(metrics) },
    onEvent: bridgeMetrics(metrics),
    keepalive: { intervalMs: 20 },
  });
  const read = async (): Promise<string> =>
    (await fetch(`${server.url.replace("ws", "http")}/metrics`)).text();
  const remote = await new RemotePolicy({ url: server.url }).open();
  for (let i = 0; i < 5; i++) await remote.infer({ state: float32([i]) });
  await until(() => metrics.quantile("reverie_network_seconds", 0.5, { connection: 1 }) > 0);
  const text = await read();
  for (const stage of ["queue", "infer", "encode"]) {
    expect(text).toContain(`reverie_${stage}_seconds_count{connection="1"} 5`);
    expect(text).toContain(`reverie_${stage}_seconds{connection="1",quantile="0.99"} `);
  }
  expect(text).toContain("reverie_connections 1\n");
  remote.close();
  await until(() => !metrics.render().includes('connection="1"'));
  expect(await read()).toContain("reverie_connections 0\n");
  await server.close();
});
