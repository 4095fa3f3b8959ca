import type { ReactElement } from "react";
import { Button, ComboBox, FieldError, Input, Label, ListBox, ListBoxItem, Popover, Text } from "react-aria-components";

interface SuggestProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** What is there to choose from; anything else may be written, too. */
  suggestions: readonly string[];
  hint?: string;
  error?: string | undefined;
  required?: boolean;
}

/** A line of text for which there are suggestions. */
export function Suggest(props: SuggestProps): ReactElement {
  const { label, value, onChange, suggestions, hint, error, required = false } = props;
  return (
    <ComboBox
      className="field"
      allowsCustomValue
      allowsEmptyCollection={false}
      menuTrigger="focus"
      inputValue={value}
      onInputChange={onChange}
      items={suggestions.map((id) => ({ id }))}
      isRequired={required}
      isInvalid={error !== undefined && error !== ""}
      validationBehavior="aria"
    >
      <Label>
        {label}
        {required && <span aria-hidden> *</span>}
      </Label>
      <div className="combo">
        <Input className="input" autoComplete="off" />
        <Button className="button" aria-label={`Suggestions for ${label}`}>
          <span aria-hidden>▾</span>
        </Button>
      </div>
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="error">{error}</FieldError>
      <Popover className="popover">
        <ListBox<{ id: string }> className="list-box">
          {({ id }) => (
            <ListBoxItem className="list-box-item" id={id} textValue={id}>
              {id}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
