import { BarChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { median } from "../measure.ts";
import type { MeasureReport, Report } from "./report.ts";

const SIZE = { width: 1_000, height: 900 };
const COLORS = { reached: "#2f7d4f", missed: "#b3472f" };

/** The survey that is drawn. */
const DRAWN = "by-connections";

/** The report as a picture: each measure beside its target, and what each contender did by connections. SVG. */
export function renderChart(report: Report): string {
  use([BarChart, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, SVGRenderer]);
  const chart = init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  try {
    const judged = report.measures.filter(({ target }) => target !== undefined).toReversed();
    const settings = report.surveys.find(({ name }) => name === DRAWN)?.settings ?? [];
    const contenders = [...new Set(settings.flatMap(({ samples }) => Object.keys(samples)))];
    chart.setOption({
      animation: false,
      backgroundColor: "#ffffff",
      title: [
        { text: "How far each measure is from its target (1 is at it, more is better; log scale)", left: 20, top: 10 },
        { text: "list of 50 rows: requests a second, by connections (log scale)", left: 20, top: 490 },
      ],
      grid: [
        { left: 190, right: 80, top: 50, height: 400 },
        { left: 70, right: 40, top: 570, height: 280 },
      ],
      legend: { data: contenders, top: 525, left: 20 },
      xAxis: [
        { gridIndex: 0, type: "log", min: 0.01 },
        { gridIndex: 1, type: "category", data: settings.map(({ setting }) => setting) },
      ],
      yAxis: [
        { gridIndex: 0, type: "category", data: judged.map(({ name }) => name) },
        { gridIndex: 1, type: "log", min: 10 },
      ],
      series: [
        {
          type: "bar",
          xAxisIndex: 0,
          yAxisIndex: 0,
          data: judged.map((measure) => ({
            value: Number(timesTarget(measure).toPrecision(3)),
            itemStyle: { color: timesTarget(measure) >= 1 ? COLORS.reached : COLORS.missed },
          })),
          label: { show: true, position: "right" },
          markLine: { symbol: "none", data: [{ xAxis: 1 }], label: { show: false }, lineStyle: { color: "#333333" } },
        },
        ...contenders.map((name) => ({
          name,
          type: "bar" as const,
          xAxisIndex: 1,
          yAxisIndex: 1,
          data: settings.map(({ samples }) =>
            Math.round(median((samples[name] ?? []).map(({ perSecond }) => perSecond))),
          ),
        })),
      ],
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

/** 1 where a measure is just at its target, and more where it is better. */
function timesTarget({ value, target }: MeasureReport): number {
  if (target === undefined) {
    throw new Error("only what has a target is drawn beside it");
  }
  return "atLeast" in target ? value / target.atLeast : target.atMost / value;
}
