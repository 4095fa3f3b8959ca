import type { ReactElement } from "react";
import { usePerson } from "../api/session.ts";
import { Check, Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";

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

/** Every row that is not archived. */
export const NO_FILTERS: Filters = {
  grantId: "",
  subject: "",
  verb: "",
  outcome: "",
  code: "",
  since: "",
  until: "",
  archived: false,
};

const ANY = "any";
const VERBS = ["capabilities", "list", "get", "search", "enroll", "renew"];
const OUTCOMES = ["served", "denied", "failed"];

/** Filters as the gateway takes them. */
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
    grantId: text(grantId),
    subject: text(subject),
    verb: text(verb),
    outcome: text(outcome),
    code: text(code),
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
  const change = (part: Partial<Filters>): void => {
    onChange({ ...filters, ...part });
  };
  const choice = (label: string, name: "verb" | "outcome", all: readonly string[]): ReactElement => (
    <Choice
      label={label}
      value={filters[name] === "" ? ANY : filters[name]}
      options={[ANY, ...all].map((id) => ({ id, name: id }))}
      onChange={(id) => {
        change({ [name]: id === ANY ? "" : id });
      }}
    />
  );
  const field = (
    label: string,
    name: Exclude<keyof Filters, "archived">,
    type: "text" | "datetime-local",
  ): ReactElement => (
    <Field
      label={label}
      type={type}
      value={filters[name]}
      onChange={(value) => {
        change({ [name]: value });
      }}
    />
  );
  return (
    <div className="filters">
      {field("Since", "since", "datetime-local")}
      {field("Until", "until", "datetime-local")}
      {choice("Verb", "verb", VERBS)}
      {choice("Outcome", "outcome", OUTCOMES)}
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
