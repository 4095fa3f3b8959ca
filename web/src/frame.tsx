import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Suspense } from "react";
import type { ReactElement } from "react";
import { Link, Router, useLocation } from "wouter";
import { changeSession, signOut, usePerson } from "./api/session.ts";
import { Pages } from "./pages.tsx";
import { Button } from "./ui/button.tsx";
import { Fault } from "./ui/fault.tsx";
import { Note, Skeleton } from "./ui/notes.tsx";

const SECTIONS = [
  { to: "/", title: "Overview" },
  { to: "/grants", title: "Grants" },
  { to: "/peers", title: "Peers" },
  { to: "/audit", title: "Audit" },
  { to: "/resources", title: "Resources", administrators: true },
  { to: "/alerts", title: "Alerts", administrators: true },
  { to: "/administrators", title: "Administrators", administrators: true },
];

/** Sections at the side, the page beside them. */
export function Frame(): ReactElement {
  return (
    <Router base={import.meta.env.BASE_URL.replace(/\/$/, "")}>
      <div className="frame">
        <a className="skip" href="#page">
          Skip to the page
        </a>
        <Side />
        <main id="page" tabIndex={-1}>
          <Shown />
        </main>
      </div>
    </Router>
  );
}

/** The page of the moment; where one fails, the next is not affected. */
function Shown(): ReactElement {
  const [location] = useLocation();
  return (
    <Fault key={location}>
      <Suspense fallback={<Skeleton lines={6} />}>
        <Pages />
      </Suspense>
    </Fault>
  );
}

function Side(): ReactElement {
  const [location] = useLocation();
  const person = usePerson();
  const client = useQueryClient();
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: () => changeSession(client),
  });
  return (
    <header className="side">
      <div className="brand">
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" />
        <span>
          Mosaic Federation
          <small>{window.location.hostname}</small>
        </span>
      </div>
      <nav aria-label="Sections">
        <ul>
          {SECTIONS.filter(({ administrators }) => administrators !== true || person.isAdministrator).map(
            ({ to, title }) => (
              <li key={to}>
                <Link
                  href={to}
                  aria-current={(to === "/" ? location === "/" : location.startsWith(to)) ? "page" : undefined}
                >
                  {title}
                </Link>
              </li>
            ),
          )}
        </ul>
      </nav>
      <div className="who">
        <span>
          <strong>{person.name}</strong>
          <br />
          <small>{person.isAdministrator ? "administrator" : "user of this gateway"}</small>
        </span>
        <Button
          busy={leave.isPending}
          onPress={() => {
            leave.mutate();
          }}
        >
          Sign out
        </Button>
        {leave.isError && (
          <Note tone="bad" alert>
            <p>
              You are still signed in: the gateway did not take the sign-out. Try again before you leave this browser.
            </p>
          </Note>
        )}
      </div>
    </header>
  );
}
