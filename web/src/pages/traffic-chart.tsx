import { useMemo } from "react";
import type { ReactElement } from "react";
import { LineChart } from "../ui/line-chart.tsx";

/** Requests of the last hour, minute by minute. */
export function TrafficChart({
  perMinute,
}: {
  perMinute: readonly { at: string; served: number; refused: number }[];
}): ReactElement {
  const { times, lines, summary } = useMemo(() => {
    const served = perMinute.map((minute) => minute.served);
    const refused = perMinute.map((minute) => minute.refused);
    const sum = (values: number[]): number => values.reduce((all, value) => all + value, 0);
    return {
      times: perMinute.map(({ at }) => Date.parse(at) / 1_000),
      lines: [
        { name: "served", values: served, color: "--series-1" as const },
        { name: "refused", values: refused, color: "--series-2" as const },
      ],
      summary: `In the last hour ${sum(served)} served and ${sum(refused)} refused; at most ${Math.max(0, ...served)} served in one minute.`,
    };
  }, [perMinute]);
  return <LineChart times={times} lines={lines} summary={summary} />;
}
