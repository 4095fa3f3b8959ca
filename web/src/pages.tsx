import { lazy } from "react";
import type { ComponentType, LazyExoticComponent, ReactElement } from "react";
import { Link, Route, Switch } from "wouter";
import { Page } from "./ui/page.tsx";

function page<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> {
  return lazy(async () => ({ default: await load() }));
}

const Overview = page(async () => (await import("./pages/overview.tsx")).Overview);
const Grants = page(async () => (await import("./pages/grants.tsx")).Grants);

/** Which page is at which path; the code of each comes when it is opened. */
export function Pages(): ReactElement {
  return (
    <Switch>
      <Route path="/">
        <Overview />
      </Route>
      <Route path="/grants">
        <Grants />
      </Route>
      <Route>
        <Page title="There is no such page">
          <p>
            <Link href="/">To the overview</Link>
          </p>
        </Page>
      </Route>
    </Switch>
  );
}
