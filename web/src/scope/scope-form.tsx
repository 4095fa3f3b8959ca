import { useState } from "react";
import type { ReactElement } from "react";
import { choicesQuery } from "../api/choices.ts";
import { useAsk } from "../api/hooks.ts";
import { Check, OneOf, Several } from "../ui/choice.tsx";
import type { Option } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Loaded } from "../ui/notes.tsx";
import { NO_RESOURCE, isCap } from "./scope.ts";
import type { Scope } from "./scope.ts";

/** A scope by choosing. */
export function ScopeForm({
  scope,
  complain,
  onChange,
}: {
  scope: Scope;
  /** Whether to say what is missing of what is chosen. */
  complain: boolean;
  onChange: (scope: Scope) => void;
}): ReactElement {
  const [search, setSearch] = useState("");
  const choices = useAsk(
    choicesQuery,
    { search: search.trim() === "" ? null : search.trim() },
    { once: true, keep: true },
  );
  const [cap, setCap] = useState(String(scope.maxRows));
  const change = (part: Partial<Scope>): void => {
    onChange({ ...scope, ...part });
  };
  return (
    <div className="form">
      <Loaded query={choices}>
        {({ choices: { resources, teams } }) => (
          <>
            <Several
              label="Resources"
              hint="What the peer may ask for. At least one."
              options={options(resources, scope.resources)}
              value={scope.resources}
              onChange={(chosen) => {
                change({ resources: chosen });
              }}
              error={complain && scope.resources.length === 0 ? NO_RESOURCE : undefined}
            />
            <Several
              label="Left out in any case"
              hint="A resource that is left out is not served, even where it is named above."
              options={options(resources, scope.excluded)}
              value={scope.excluded}
              onChange={(chosen) => {
                change({ excluded: chosen });
              }}
            />
            <OneOf
              label="Rows of teams"
              value={scope.teams === "all" ? "all" : "some"}
              options={[
                { id: "some", name: "of the teams chosen here" },
                { id: "all", name: "of every team that the subject is in, now and later" },
              ]}
              onChange={(which) => {
                change({ teams: which === "all" ? "all" : [] });
              }}
            />
            {scope.teams !== "all" && (
              <>
                {(teams.length > 8 || search !== "") && (
                  <Field label="Find teams" value={search} onChange={setSearch} />
                )}
                <Several
                  label="Teams"
                  hint="None: no team's row crosses. A team counts only while the subject is in it."
                  options={options(teams, scope.teams)}
                  value={scope.teams}
                  onChange={(chosen) => {
                    change({ teams: chosen });
                  }}
                />
              </>
            )}
          </>
        )}
      </Loaded>
      <Check
        label="Personal rows, those of no team"
        value={scope.personal}
        onChange={(personal) => {
          change({ personal });
        }}
      />
      <Field
        label="Most rows in one answer"
        type="number"
        value={cap}
        onChange={(text) => {
          setCap(text);
          // What is no number stays in the field only, and the scope is none until it is mended.
          change({ maxRows: text === "" ? Number.NaN : Number(text) });
        }}
        hint="From 1 to 10 000."
        error={isCap(scope.maxRows) ? undefined : "A whole number from 1 to 10 000."}
      />
    </div>
  );
}

/** What there is and what is chosen already, which may be beyond the first fifty, or gone. */
function options(there: readonly string[], chosen: readonly string[]): Option[] {
  return [...new Set([...chosen, ...there])]
    .sort((one, other) => one.localeCompare(other))
    .map((id) => ({ id, name: id }));
}
