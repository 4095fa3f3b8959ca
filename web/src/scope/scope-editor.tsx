import { useState } from "react";
import type { ReactElement } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { Field } from "../ui/field.tsx";
import { ScopeForm } from "./scope-form.tsx";
import { NO_RESOURCE, isCap, parseScope, scopeToJson } from "./scope.ts";
import type { Scope } from "./scope.ts";

/** What is being edited: what was chosen last that makes a scope, and why what is there now makes none. */
export interface Draft {
  scope: Scope;
  error: string | undefined;
}

/** Edits a scope by choosing or as JSON: what is changed on one side shows on the other. */
export function ScopeEditor({
  draft,
  complain,
  onChange,
}: {
  draft: Draft;
  /** Whether to say what is missing of what is chosen. */
  complain: boolean;
  onChange: (draft: Draft) => void;
}): ReactElement {
  const [side, setSide] = useState("choose");
  const [text, setText] = useState("");
  return (
    <Tabs
      className="tabs"
      selectedKey={side}
      onSelectionChange={(key) => {
        // What was no scope as JSON is none to choose in: the last one that was goes on.
        const scope = isCap(draft.scope.maxRows) ? draft.scope : { ...draft.scope, maxRows: 100 };
        setText(JSON.stringify(scopeToJson(scope), null, 2));
        onChange({ scope, error: errorOf(scope) });
        setSide(String(key));
      }}
    >
      <TabList className="tab-list" aria-label="How to edit the scope">
        <Tab className="tab" id="choose">
          Choose
        </Tab>
        <Tab className="tab" id="json">
          JSON
        </Tab>
      </TabList>
      <TabPanel id="choose">
        <ScopeForm
          scope={draft.scope}
          complain={complain}
          onChange={(scope) => {
            onChange({ scope, error: errorOf(scope) });
          }}
        />
      </TabPanel>
      <TabPanel id="json">
        <Field
          label="The scope as JSON"
          many
          value={text}
          error={draft.error}
          onChange={(written) => {
            setText(written);
            const read = parseScope(written);
            onChange(
              "scope" in read ? { scope: read.scope, error: undefined } : { scope: draft.scope, error: read.error },
            );
          }}
        />
      </TabPanel>
    </Tabs>
  );
}

/** What is missing for a scope that was chosen. */
export function errorOf(scope: Scope): string | undefined {
  if (scope.resources.length === 0) {
    return NO_RESOURCE;
  }
  return isCap(scope.maxRows) ? undefined : "The most rows in one answer are a whole number from 1 to 10 000.";
}
