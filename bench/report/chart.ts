import type { Measurement } from "../targets.ts";

const [WIDTH, BAR, GAP, LABEL, HEAD] = [720, 22, 8, 200, 40] as const;
const COLOURS = { gateway: "#0a7d5a", other: "#8894a0" } as const;

/** A bar chart of one series' throughput, SVG. */
export function chartOf({ series, results }: Measurement): string {
  const most = Math.max(...results.map(({ throughput }) => throughput));
  const height = HEAD + results.length * (BAR + GAP) + GAP;
  const bars = results.map(({ name, throughput }, place) => {
    const y = HEAD + place * (BAR + GAP);
    const width = Math.max(1, ((WIDTH - LABEL - 90) * throughput) / most);
    const colour = name === "gateway" ? COLOURS.gateway : COLOURS.other;
    return `  <text x="${LABEL - 8}" y="${y + 16}" text-anchor="end">${name}</text>
  <rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colour}" />
  <text x="${(LABEL + width + 6).toFixed(1)}" y="${y + 16}">${Math.round(throughput)}</text>`;
  });
  const title = `${series.title} a second, ${series.rows} rows, ${series.connections} connections`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="sans-serif" font-size="13">
  <title>${title}</title>
  <rect width="${WIDTH}" height="${height}" fill="#ffffff" />
  <text x="${GAP}" y="24" font-weight="bold">${title}</text>
${bars.join("\n")}
</svg>
`;
}
