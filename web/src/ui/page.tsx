import { useEffect } from "react";
import type { ReactElement, ReactNode } from "react";
import { Link } from "wouter";
import { useArrival } from "./use-arrival.ts";

interface PageProps {
  title: string;
  /** The page that this one is a part of. */
  above?: { to: string; title: string };
  intro?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** The frame of a page: names the window, and is where the keyboard goes on after a change of page. */
export function Page({ title, above, intro, actions, children }: PageProps): ReactElement {
  const heading = useArrival(title);
  useEffect(() => {
    document.title = `${title} · Mosaic Federation`;
  }, [title]);
  return (
    <>
      <div className="page-head">
        <div>
          {above !== undefined && (
            <p className="crumb">
              <Link href={above.to}>{above.title}</Link>
            </p>
          )}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {intro !== undefined && <p>{intro}</p>}
        </div>
        {actions !== undefined && <div className="row">{actions}</div>}
      </div>
      {children}
    </>
  );
}

/** A part of a page under its own heading. */
export function Card({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ReactNode;
  children: ReactNode;
}): ReactElement {
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** Names and values, one under the other. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: ReactNode])[] }): ReactElement {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name} className="fact">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
