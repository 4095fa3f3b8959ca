import { resourceFromAttributes } from "@opentelemetry/resources";
import type { Config } from "../config/schema.ts";
import type { TelemetryTarget } from "./tracing.ts";

/** Where a gateway's telemetry goes; undefined where nothing says so, and then there is none. */
export function telemetryTarget(config: Pick<Config, "telemetry" | "host">): TelemetryTarget | undefined {
  const { otlpUrl } = config.telemetry;
  // The exporters read the standard variables by themselves (OpenTelemetry specification, "OTLP Exporter Configuration").
  if (otlpUrl === undefined && (process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "") === "") {
    return undefined;
  }
  return {
    url: otlpUrl?.replace(/\/$/, ""),
    resource: resourceFromAttributes({ "service.name": "mosaic-federation", "service.instance.id": config.host }),
  };
}
