import { lazy } from "react";
import type { ComponentType, LazyExoticComponent, ReactElement } from "react";
import { Link, Route, Switch } from "wouter";
import { isId } from "./api/ids.ts";
import { usePerson } from "./api/session.ts";
import { Page } from "./ui/page.tsx";

function page<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> {
  return lazy(async () => ({ default: await load() }));
}

const Overview = page(async () => (await import("./pages/overview.tsx")).Overview);
const Grants = page(async () => (await import("./pages/grants.tsx")).Grants);
const NewGrant = page(async () => (await import("./pages/new-grant.tsx")).NewGrant);
const GrantPage = page(async () => (await import("./pages/grant.tsx")).GrantPage);
const ScopePage = page(async () => (await import("./pages/scope.tsx")).ScopePage);
const ExplainPage = page(async () => (await import("./pages/explain.tsx")).ExplainPage);
const Peers = page(async () => (await import("./pages/peers.tsx")).Peers);
const Audit = page(async () => (await import("./pages/audit.tsx")).Audit);
const Resources = page(async () => (await import("./pages/resources.tsx")).Resources);
const NewResource = page(async () => (await import("./pages/new-resource.tsx")).NewResource);
const Alerts = page(async () => (await import("./pages/alerts.tsx")).Alerts);
const Administrators = page(async () => (await import("./pages/administrators.tsx")).Administrators);

/** Which page is at which path; the code of each comes when it is opened. */
export function Pages(): ReactElement {
  const { isAdministrator } = usePerson();
  return (
    <Switch>
      <Route path="/">
        <Overview />
      </Route>
      <Route path="/grants">
        <Grants />
      </Route>
      <Route path="/grants/new">{isAdministrator ? <NewGrant /> : <Nothing />}</Route>
      {/* Each grant's page is one of its own: nothing that was said of one, a URL least of all, stands on another's. */}
      <Route path="/grants/:id">{({ id }) => (isId(id) ? <GrantPage key={id} id={id} /> : <Nothing />)}</Route>
      <Route path="/grants/:id/scope">
        {({ id }) => (isAdministrator && isId(id) ? <ScopePage key={id} id={id} /> : <Nothing />)}
      </Route>
      <Route path="/grants/:id/explain">
        {({ id }) => (isId(id) ? <ExplainPage key={id} id={id} /> : <Nothing />)}
      </Route>
      <Route path="/peers">
        <Peers />
      </Route>
      <Route path="/audit">
        <Audit />
      </Route>
      <Route path="/resources">{isAdministrator ? <Resources /> : <Nothing />}</Route>
      <Route path="/resources/new">{isAdministrator ? <NewResource /> : <Nothing />}</Route>
      <Route path="/alerts">{isAdministrator ? <Alerts /> : <Nothing />}</Route>
      <Route path="/administrators">{isAdministrator ? <Administrators /> : <Nothing />}</Route>
      <Route>
        <Nothing />
      </Route>
    </Switch>
  );
}

function Nothing(): ReactElement {
  return (
    <Page title="There is no such page">
      <p>
        <Link href="/">To the overview</Link>
      </p>
    </Page>
  );
}
