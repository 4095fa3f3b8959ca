/** One line of Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats). */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Reads what /metrics answered. */
export function readSamples(text: string): Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", labels = "", value = ""] = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      return {
        name,
        labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text])),
        value: value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value),
      };
    });
}
