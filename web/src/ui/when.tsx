import type { ReactElement } from "react";

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** How far a time is from now, in the largest unit that fits. */
function fromNow(time: Date, now = new Date()): string {
  const distance = time.getTime() - now.getTime();
  for (const [unit, length] of UNITS) {
    if (Math.abs(distance) >= length) {
      return relative.format(Math.round(distance / length), unit);
    }
  }
  return distance <= 0 ? "just now" : "in a moment";
}

/** A time in the reader's own zone, with how far it is from now. */
export function When({ at, none = "never" }: { at: string | null | undefined; none?: string }): ReactElement {
  if (at == null) {
    return <span className="soft">{none}</span>;
  }
  const time = new Date(at);
  return (
    <time dateTime={at}>
      {absolute.format(time)} <span className="soft small">({fromNow(time)})</span>
    </time>
  );
}
