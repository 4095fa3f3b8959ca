import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { layoutOf, VERSIONS } from "../../scripts/services/layout.ts";

interface Service {
  image?: string;
  build?: unknown;
  profiles: string[];
  environment?: Record<string, string>;
  command?: string[];
  secrets?: string[];
  ports?: string[];
  volumes?: string[];
  healthcheck?: { test: string[] };
}
interface Compose {
  services: Record<string, Service>;
  secrets: Record<string, { file?: string }>;
  volumes: Record<string, unknown>;
}

const ROOT = join(import.meta.dirname, "../..");
const read = (): Compose => parse(readFileSync(join(ROOT, "docker-compose.yml"), "utf8")) as Compose;
const schema = z.fromJSONSchema(
  JSON.parse(readFileSync(join(ROOT, "test/data/compose-spec.json"), "utf8")) as Parameters<typeof z.fromJSONSchema>[0],
);
const valid = (file: unknown): boolean => schema.safeParse(file).success;
const compose = read();
const services = Object.entries(compose.services);
const federated = services.filter(([, service]) => service.profiles.includes("federated"));

describe("docker-compose.yml", () => {
  it("is valid by the compose specification's schema", () => {
    expect(schema.safeParse(compose).error?.issues).toBeUndefined();
  });

  it.each([
    ["a key that no service has", (file: Compose) => Object.assign(file.services["valkey"] ?? {}, { prots: [] })],
    ["ports that are no list", (file: Compose) => Object.assign(file.services["valkey"] ?? {}, { ports: "6379" })],
    ["a part that no file has", (file: Compose) => Object.assign(file, { service: {} })],
    [
      "a condition that does not exist",
      (file: Compose) => Object.assign(file.services["gateway"] ?? {}, { depends_on: { valkey: { condition: "up" } } }),
    ],
  ])("would not be valid with %s", (_, spoil) => {
    const file = read();
    spoil(file);
    expect(valid(file)).toBe(false);
  });

  it("has PostgreSQL with pgvector, Valkey, step-ca and the gateway in profile federated", () => {
    expect(federated.map(([name]) => name).toSorted()).toEqual(["gateway", "pgvector", "step-ca", "valkey"]);
  });

  it("has the OpenTelemetry Collector in profile telemetry, which nobody else is part of", () => {
    expect(services.filter(([, { profiles }]) => profiles.includes("telemetry")).map(([name]) => name)).toEqual([
      "otel-collector",
    ]);
  });

  it("publishes nothing beyond loopback but the gateway's federation and public ports", () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    expect(published.length).toBeGreaterThan(4);
    expect(published.filter((port) => !port.split(" ")[1]?.startsWith("127.0.0.1:"))).toEqual([
      "gateway 8443:8443",
      "gateway 8444:8444",
    ]);
  });

  it("publishes by default where services.ts expects it", () => {
    const { ports } = layoutOf({});
    const defaults = ["pgvector", "valkey", "step-ca", "otel-collector"].map((name) =>
      Number(/:-(\d+)\}/.exec(compose.services[name]?.ports?.[0] ?? "")?.[1]),
    );
    expect(defaults).toEqual([ports.postgres, ports.valkey, ports["step-ca"], ports["otel-collector"]]);
  });

  it("pins every image to a release", () => {
    for (const [name, { image, build }] of services) {
      expect(build !== undefined || /^[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z0-9]+)?$/.test(image ?? ""), name).toBe(true);
    }
    expect(compose.services["step-ca"]?.image).toBe(`smallstep/step-ca:${VERSIONS.stepCa}`);
    expect(compose.services["otel-collector"]?.image).toBe(
      `otel/opentelemetry-collector-contrib:${VERSIONS.otelCollector}`,
    );
    expect(compose.services["pgvector"]?.image).toMatch(new RegExp(`-pg${VERSIONS.postgres}$`));
  });

  it("gives secrets by file, never in the environment or on a command line", () => {
    for (const [name, { environment = {}, command = [], secrets = [] }] of services) {
      for (const [variable, value] of Object.entries(environment)) {
        const isPath = variable.endsWith("_FILE") && value.startsWith("/run/secrets/");
        expect(isPath || !/PASSWORD|SECRET|TOKEN|KEY|URL|REDIS|VALKEY/.test(variable), `${name} ${variable}`).toBe(
          true,
        );
      }
      expect(command.join(" "), name).not.toMatch(/requirepass|:\/\/[^ ]*@/);
      expect(secrets.filter((secret) => compose.secrets[secret]?.file === undefined)).toEqual([]);
      // The collector has none.
      expect(secrets.length > 0 || name === "otel-collector", name).toBe(true);
    }
  });

  it("never mounts the folder with the root's key", () => {
    const mounted = services.flatMap(([, { volumes = [] }]) => volumes);
    const files = Object.values(compose.secrets).map(({ file }) => file ?? "");
    expect(mounted.filter((volume) => volume.includes("MOSAIC_SERVICES_DIR"))).toEqual([
      "${MOSAIC_SERVICES_DIR:-./.services}/step-ca/config:/etc/step-ca:ro",
      "${MOSAIC_SERVICES_DIR:-./.services}/otel-collector/config:/otel-collector/config:ro",
      "${MOSAIC_SERVICES_DIR:-./.services}/otel-collector/data:/otel-collector/data",
    ]);
    expect(files.filter((file) => file.includes("authority"))).toEqual([]);
  });

  it("keeps data in named volumes and knows when each service is healthy", () => {
    // The collector keeps nothing, and its image has no program to ask it with: services.ts asks its port.
    for (const [name, { volumes = [], healthcheck }] of services.filter(([name]) => name !== "otel-collector")) {
      const named = volumes.filter((volume) => (volume.split(":")[0] ?? "") in compose.volumes);
      expect(named.length, name).toBe(1);
      expect(healthcheck?.test[0], name).toMatch(/^CMD/);
    }
  });

  it("runs the gateway as a user without rights, from a build that sees no secret of this folder", () => {
    expect(readFileSync(join(ROOT, "Dockerfile"), "utf8").split("FROM ").at(-1)).toMatch(/^USER node$/m);
    const ignored = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
    expect(ignored).toContain("*");
    expect(ignored.filter((line) => /^!.*(services|mosaic|password|\.git)/.test(line))).toEqual([]);
  });
});
