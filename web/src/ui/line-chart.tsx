import { useEffect, useRef } from "react";
import type { ReactElement } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

/** One line of a chart. */
export interface Line {
  name: string;
  values: readonly number[];
  /** A custom property of styles/base.css. */
  color: `--${string}`;
}

const HEIGHT_PX = 200;

/** Lines over time; what they say is in `summary`, too, for who does not see them. */
export function LineChart({
  times,
  lines,
  summary,
}: {
  /** Seconds since 1970. */
  times: readonly number[];
  lines: readonly Line[];
  summary: string;
}): ReactElement {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const target = place.current;
    if (target === null) {
      return;
    }
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    let chart: uPlot | undefined;
    const draw = (): void => {
      chart?.destroy();
      const style = getComputedStyle(target);
      const color = (name: string): string => style.getPropertyValue(name);
      const axis = {
        stroke: color("--text-soft"),
        grid: { stroke: color("--line") },
        ticks: { stroke: color("--line") },
      };
      chart = new uPlot(
        {
          width: Math.max(target.clientWidth, 120),
          height: HEIGHT_PX,
          series: [
            {},
            ...lines.map((line) => ({
              label: line.name,
              stroke: color(line.color),
              width: 2,
              points: { show: false },
            })),
          ],
          axes: [axis, { ...axis, size: 44 }],
          scales: { y: { range: (_chart, _least, most) => [0, Math.max(most, 5)] } },
          cursor: { show: false },
          legend: { live: false },
        },
        [[...times], ...lines.map(({ values }) => [...values])],
        target,
      );
    };
    draw();
    dark.addEventListener("change", draw);
    const sizes = new ResizeObserver(() => {
      chart?.setSize({ width: Math.max(target.clientWidth, 120), height: HEIGHT_PX });
    });
    sizes.observe(target);
    return () => {
      sizes.disconnect();
      dark.removeEventListener("change", draw);
      chart?.destroy();
    };
  }, [times, lines]);
  return (
    <figure className="stack tight">
      <div className="chart" ref={place} aria-hidden />
      <figcaption className="small soft">{summary}</figcaption>
    </figure>
  );
}
