import type { ReactElement } from "react";
import { isId } from "../api/ids.ts";
import { usePerson } from "../api/session.ts";
import { Check, Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Suggest } from "../ui/suggest.tsx";

/** Which rows of the audit log; what is empty is any. */
export interface Filters {
  grantId: string;
  subject: string;
  verb: string;
  outcome: string;
  code: string;
  /** As a person writes them, in their own zone. */
  since: string;
  until: string;
  archived: boolean;
}

const ANY = "any";
/** What peers ask; any other verb of the log may be written. */
const VERBS = ["capabilities", "list", "get", "search", "enroll", "renew", "renew.confirm", "handshake"];
/** What people do. */
const CHANGES = [
  "grant.created",
  "grant.changed",
  "grant.enrollment_url_made",
  "grant.previewed",
  "grant.viewed",
  "grant.explained",
  "certificate.created",
  "certificate.changed",
  "resource.created",
  "resource.removed",
  "peer.created",
  "peer.changed",
  "peer.removed",
  "peer.renewal_requested",
  "administrator.created",
  "administrator.removed",
  "token.created",
  "token.changed",
  "audit.exported",
  "pages.signed_in",
  "pages.signed_out",
];
const OUTCOMES = ["served", "denied", "failed"];

/** Filters as they stand in the address of the page, so that it can be gone back to, and sent to somebody. */
export function fromSearch(search: string): Filters {
  const given = new URLSearchParams(search);
  const text = (name: keyof Filters): string => given.get(name) ?? "";
  const time = (name: keyof Filters): string => (isTime(text(name)) ? text(name) : "");
  return {
    grantId: text("grantId"),
    subject: text("subject"),
    verb: text("verb"),
    outcome: OUTCOMES.includes(text("outcome")) ? text("outcome") : "",
    code: text("code"),
    since: time("since"),
    until: time("until"),
    archived: given.get("archived") === "true",
  };
}

/** The address's part for filters; empty where there are none. */
export function toSearch(filters: Filters): string {
  const set = Object.entries(filters).filter(([, value]) => value !== "" && value !== false);
  return new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
}

/** Whether text is a time as its field has it: an address may say anything. */
function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text) && !Number.isNaN(Date.parse(text));
}

/** What is wrong with filters, so that nothing is asked by them. */
export function faultsOf({ grantId, since, until }: Filters): { grantId?: string; until?: string } {
  return {
    ...(grantId.trim() === "" || isId(grantId.trim())
      ? {}
      : { grantId: "The whole id of a grant, as its page has it." }),
    ...(since === "" || until === "" || since <= until ? {} : { until: "This is before its beginning." }),
  };
}

/** Whether peers ask this by the federation listener. */
export function isOfPeers(verb: string): boolean {
  return verb === "unknown" || VERBS.includes(verb);
}

/** Filters as the gateway takes them: verbs are written small, codes in capitals. */
export function toVariables(filters: Filters): {
  grantId: string | null;
  subject: string | null;
  verb: string | null;
  outcome: string | null;
  code: string | null;
  since: string | null;
  until: string | null;
  archived: boolean;
} {
  const text = (value: string): string | null => (value.trim() === "" ? null : value.trim());
  const time = (value: string): string | null => (value === "" ? null : new Date(value).toISOString());
  const { grantId, subject, verb, outcome, code, since, until, archived } = filters;
  return {
    grantId: text(grantId.toLowerCase()),
    subject: text(subject),
    verb: text(verb.toLowerCase()),
    outcome: text(outcome),
    code: text(code.toUpperCase()),
    since: time(since),
    until: time(until),
    archived,
  };
}

/** Where the rows of these filters can be had as a file. */
export function exportUrl(filters: Filters, format: "csv" | "ndjson"): string {
  const query = new URLSearchParams({ format });
  for (const [name, value] of Object.entries(toVariables(filters))) {
    if (value !== null) {
      query.set(name, String(value));
    }
  }
  return `${import.meta.env.BASE_URL}audit/export?${query.toString()}`;
}

/** Narrows the audit log. */
export function AuditFilters({
  filters,
  onChange,
}: {
  filters: Filters;
  onChange: (filters: Filters) => void;
}): ReactElement {
  const { isAdministrator } = usePerson();
  const faults: Partial<Record<keyof Filters, string>> = faultsOf(filters);
  const change = (part: Partial<Filters>): void => {
    onChange({ ...filters, ...part });
  };
  const field = (
    label: string,
    name: Exclude<keyof Filters, "archived">,
    type: "text" | "datetime-local",
  ): ReactElement => (
    <Field
      label={label}
      type={type}
      value={filters[name]}
      error={faults[name]}
      onChange={(value) => {
        change({ [name]: value });
      }}
    />
  );
  return (
    <div className="filters">
      {field("Since", "since", "datetime-local")}
      {field("Until", "until", "datetime-local")}
      <Suggest
        label="Verb"
        value={filters.verb}
        suggestions={isAdministrator ? [...VERBS, ...CHANGES] : VERBS}
        onChange={(verb) => {
          change({ verb });
        }}
      />
      <Choice
        label="Outcome"
        value={filters.outcome === "" ? ANY : filters.outcome}
        options={[ANY, ...OUTCOMES].map((id) => ({ id, name: id }))}
        onChange={(outcome) => {
          change({ outcome: outcome === ANY ? "" : outcome });
        }}
      />
      {field("Code", "code", "text")}
      {field("Grant's id", "grantId", "text")}
      {isAdministrator && field("Subject", "subject", "text")}
      <Check
        label="with archived rows"
        value={filters.archived}
        onChange={(archived) => {
          change({ archived });
        }}
      />
    </div>
  );
}
