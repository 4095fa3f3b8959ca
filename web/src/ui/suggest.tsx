import { useId } from "react";
import type { ReactElement } from "react";
import { FieldError, Input, Label, Text, TextField } from "react-aria-components";

interface SuggestProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** What is there to choose from; anything else may be written, too. */
  suggestions: readonly string[];
  required?: boolean;
  hint?: string;
  error?: string | undefined;
}

/** A line of text for which there are suggestions. */
export function Suggest({
  label,
  value,
  onChange,
  suggestions,
  required = false,
  hint,
  error,
}: SuggestProps): ReactElement {
  const list = useId();
  return (
    <TextField
      className="field"
      value={value}
      onChange={onChange}
      isRequired={required}
      isInvalid={error !== undefined}
      validationBehavior="aria"
      autoComplete="off"
    >
      <Label>
        {label}
        {required && <span aria-hidden> *</span>}
      </Label>
      <Input className="input" list={list} />
      <datalist id={list}>
        {suggestions.map((id) => (
          <option key={id} value={id} />
        ))}
      </datalist>
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="error">{error}</FieldError>
    </TextField>
  );
}
