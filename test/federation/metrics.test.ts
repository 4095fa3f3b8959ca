import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK } from "../../src/demo/world.ts";
import { enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { readSamples } from "../harness/prometheus.ts";
import type { Sample } from "../harness/prometheus.ts";
import { usedMetrics } from "../harness/promql.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const SOURCE = "federated:work.localhost";

let work: TestGateway;
let home: TestGateway;
let samples: { work: Sample[]; home: Sample[] };

const scrape = async ({ gateway }: TestGateway): Promise<Sample[]> => {
  const { statusCode, headers, body } = await request(`${gateway.homeUrl}/metrics`);
  expect([statusCode, String(headers["content-type"]).split(";")[0]]).toEqual([200, "text/plain"]);
  return readSamples(await body.text());
};
const ask = (resource: string): Promise<unknown> =>
  homeQuery(home, "alice-at-home", `{ list(resource: "${resource}", source: "${SOURCE}") { rows } }`);
const valueOf = (of: Sample[], name: string, labels: Record<string, string> = {}): number | undefined =>
  of.find(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )?.value;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  // Alerts are counted at the start, and then now and again.
  await work.pool.query("select federation.raise_alert('critical', 'TEST', 'test', 'An alert of the test.')");
  await work.restart();
  await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  // One that is refused, which empties memory, one that work answers, one that memory does.
  await ask("credentials");
  await ask("tasks");
  await ask("tasks");
  samples = { work: await scrape(work), home: await scrape(home) };
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

describe("the metrics of a gateway", () => {
  test("count requests of peers by verb, outcome and code, and how long they took", () => {
    const list = { verb: "list", outcome: "served" };
    expect(valueOf(samples.work, "mosaic_requests_total", { ...list, code: "OK" })).toBe(1);
    const denied = { verb: "list", outcome: "denied" };
    expect(valueOf(samples.work, "mosaic_requests_total", { ...denied, code: "RESOURCE_DENIED" })).toBe(1);
    expect(valueOf(samples.work, "mosaic_request_duration_milliseconds_count", list)).toBe(1);
    expect(valueOf(samples.work, "mosaic_request_duration_milliseconds_bucket", { ...list, le: "+Inf" })).toBe(1);
    expect(valueOf(samples.work, "mosaic_request_duration_milliseconds_sum", list)).toBeGreaterThan(0);
  });

  test("count our requests to peers, those that memory answered apart", () => {
    const list = { peer: "work.localhost", verb: "list" };
    const count = (code: string, cached: string): number | undefined =>
      valueOf(samples.home, "mosaic_peer_requests_total", { ...list, code, cached });
    expect([count("OK", "false"), count("OK", "true"), count("RESOURCE_DENIED", "false")]).toEqual([1, 1, 1]);
    expect(valueOf(samples.home, "mosaic_peer_request_duration_milliseconds_count", { ...list, cached: "true" })).toBe(
      1,
    );
  });

  test("tell the cache's hits and misses", () => {
    expect(valueOf(samples.home, "mosaic_cache_hits_total")).toBe(1);
    expect(valueOf(samples.home, "mosaic_cache_misses_total")).toBe(2);
    expect(valueOf(samples.home, "mosaic_cache_bytes")).toBeGreaterThan(0);
  });

  test("tell how the queues do, and that no audit row was dropped", () => {
    for (const of of [samples.work, samples.home]) {
      expect(valueOf(of, "mosaic_audit_queue_rows")).toBeGreaterThanOrEqual(0);
      expect(valueOf(of, "mosaic_audit_dropped_total")).toBe(0);
      expect(valueOf(of, "mosaic_requests_waiting")).toBe(0);
    }
  });

  test("tell how a peer does, and when the certificates end, in seconds", () => {
    const peer = { peer: "work.localhost" };
    expect(valueOf(samples.home, "mosaic_peer_circuit_open", peer)).toBe(0);
    expect(valueOf(samples.home, "mosaic_peer_offline_seconds", peer)).toBe(0);
    const days = 86_400;
    for (const left of [
      valueOf(samples.home, "mosaic_peer_certificate_expiry_seconds", peer),
      valueOf(samples.home, "mosaic_certificate_expiry_seconds"),
    ]) {
      expect(left).toBeGreaterThan(29 * days);
      expect(left).toBeLessThanOrEqual(30 * days);
    }
  });

  test("count open alerts by code and severity, and say whether changes of grants are told", () => {
    expect(valueOf(samples.work, "mosaic_alerts_open", { code: "TEST", severity: "critical" })).toBe(1);
    expect(valueOf(samples.work, "mosaic_listening")).toBe(1);
    expect(valueOf(samples.work, "mosaic_crl_expiry_seconds")).toBeGreaterThan(23 * 3_600);
  });

  test.each(["mosaic_valkey_away", "mosaic_step_ca_away"])("tell of a service where there is one: %s", (metric) => {
    expect(valueOf(samples.work, metric)).toBe(work.gateway.config.tier === "federated" ? 0 : undefined);
  });

  test("have no label that says who asked, or for what", () => {
    const names = [...samples.work, ...samples.home].flatMap(({ labels }) => Object.keys(labels));
    expect([...new Set(names)].toSorted()).toEqual(["cached", "code", "le", "outcome", "peer", "severity", "verb"]);
    const values = [...samples.work, ...samples.home].flatMap(({ labels }) => Object.values(labels));
    expect(values.filter((value) => /alice|tasks|credentials/.test(value))).toEqual([]);
  });
});

describe("dashboard and alert rules", () => {
  const served = (): Map<string, Set<string>> => {
    const labels = new Map<string, Set<string>>();
    for (const sample of [...samples.work, ...samples.home]) {
      labels.set(sample.name, new Set([...(labels.get(sample.name) ?? []), ...Object.keys(sample.labels)]));
    }
    return labels;
  };

  test.each(["grafana-dashboard.json", "alert-rules.yml"])(
    "of docs/observability/%s use metrics and labels that a gateway serves, and no others",
    (file) => {
      const used = usedMetrics(file);
      expect(used.size).toBeGreaterThan(5);
      const have = served();
      if (work.gateway.config.tier !== "federated") {
        have.set("mosaic_valkey_away", new Set());
        have.set("mosaic_step_ca_away", new Set());
      }
      // What Prometheus itself adds to every sample.
      have.set("up", new Set());
      const missing = [...used].flatMap(([name, labels]) =>
        [...labels]
          .filter((label) => have.get(name)?.has(label) !== true && !["job", "instance"].includes(label))
          .map((label) => `${name}{${label}}`)
          .concat(have.has(name) ? [] : [name]),
      );
      expect(missing).toEqual([]);
    },
  );

  test("use between them every metric that a gateway serves", () => {
    const used = new Set([...usedMetrics("grafana-dashboard.json").keys(), ...usedMetrics("alert-rules.yml").keys()]);
    const histogram = /_(count|sum)$/;
    expect([...served().keys()].filter((name) => !used.has(name) && !histogram.test(name))).toEqual([]);
  });
});
