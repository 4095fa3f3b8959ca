import type { ReactElement } from "react";

/** Rows of a resource as they are, under a heading; nothing where there is none. */
export function Rows({ title, rows }: { title: string; rows: readonly unknown[] }): ReactElement | null {
  if (rows.length === 0) {
    return null;
  }
  return (
    <section className="stack tight" aria-label={title}>
      <h3>{title}</h3>
      <pre className="sample" tabIndex={0}>
        {rows.map((row) => JSON.stringify(row, null, 2)).join("\n")}
      </pre>
    </section>
  );
}
