import { resourceFromAttributes } from "@opentelemetry/resources";
import type { Resource } from "@opentelemetry/resources";
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";

/** Where telemetry goes, and as whose. */
export interface TelemetryTarget {
  /** Of an OTLP receiver; undefined where the standard variables of OpenTelemetry say it. */
  url: string | undefined;
  resource: Resource;
  /** Makes an exporter tell whether what it was given has arrived. */
  watch: <E extends Exporter>(exporter: E) => E;
}

interface Exporter {
  export(data: never, done: (result: { code: number; error?: Error }) => void): void;
}

const SUCCESS = 0;

/** Where a gateway's telemetry goes; undefined where nothing says so, and then there is none. */
export function telemetryTarget(
  config: Pick<Config, "telemetry" | "host">,
  log: Pick<Logger, "warn" | "info">,
): TelemetryTarget | undefined {
  const { otlpUrl } = config.telemetry;
  // The exporters read the standard variables by themselves (OpenTelemetry specification, "OTLP Exporter Configuration").
  if (otlpUrl === undefined && (process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "") === "") {
    return undefined;
  }
  return {
    url: otlpUrl?.replace(/\/$/, ""),
    resource: resourceFromAttributes({ "service.name": "mosaic-federation", "service.instance.id": config.host }),
    watch: watchReceiver(log),
  };
}

/** Traces and metrics go to one receiver: that it is away is said once, and once that it is back. */
function watchReceiver(log: Pick<Logger, "warn" | "info">): TelemetryTarget["watch"] {
  let away = false;
  const note = ({ code, error }: { code: number; error?: Error }): void => {
    if (code !== SUCCESS && !away) {
      log.warn({ reason: error?.message.slice(0, 200) }, "telemetry cannot be sent for now, and is dropped");
    } else if (code === SUCCESS && away) {
      log.info("telemetry is sent again");
    }
    away = code !== SUCCESS;
  };
  return (exporter) => {
    const send = exporter.export.bind(exporter);
    exporter.export = (data, done) => {
      send(data, (result) => {
        note(result);
        done(result);
      });
    };
    return exporter;
  };
}
