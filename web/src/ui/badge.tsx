import type { ReactElement, ReactNode } from "react";

/** How good the news is. */
export type Tone = "good" | "warn" | "bad" | "quiet";

const TONES: Partial<Record<string, Tone>> = {
  active: "good",
  closed: "good",
  served: "good",
  ok: "good",
  OK: "good",
  pending: "warn",
  suspended: "warn",
  degraded: "warn",
  "half-open": "warn",
  warning: "warn",
  revoked: "bad",
  expired: "quiet",
  open: "bad",
  denied: "bad",
  down: "bad",
  failed: "bad",
  critical: "bad",
};

/** A state in one word; the word says it, the colour only helps. */
export function Badge({ children, tone }: { children: string; tone?: Tone }): ReactElement {
  return <span className={`badge ${tone ?? TONES[children] ?? "quiet"}`}>{children}</span>;
}

/** Short names side by side: resources, teams, columns. */
export function Tags({ names, none }: { names: readonly string[]; none: ReactNode }): ReactElement {
  if (names.length === 0) {
    return <span className="soft">{none}</span>;
  }
  return (
    <span className="row">
      {names.map((name) => (
        <span key={name} className="tag">
          {name}
        </span>
      ))}
    </span>
  );
}
