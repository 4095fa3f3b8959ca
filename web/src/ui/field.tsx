import type { ReactElement } from "react";
import { FieldError, Input, Label, Text, TextArea, TextField } from "react-aria-components";

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  /** What is wrong with the value; empty where nothing is. */
  error?: string | undefined;
  type?: "text" | "password" | "datetime-local" | "number";
  required?: boolean;
  many?: boolean;
  autoComplete?: string;
}

/** A line, or lines, of text with a label, a hint and what is wrong with it. */
export function Field(props: FieldProps): ReactElement {
  const { label, value, onChange, hint, error, type = "text", required = false, many = false, autoComplete } = props;
  return (
    <TextField
      className="field"
      value={value}
      onChange={onChange}
      isRequired={required}
      isInvalid={error !== undefined && error !== ""}
      validationBehavior="aria"
      {...(many ? {} : { type })}
      autoComplete={autoComplete ?? "off"}
    >
      <Label>
        {label}
        {required && <span aria-hidden> *</span>}
      </Label>
      {many ? <TextArea className="input" spellCheck={false} /> : <Input className="input" />}
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="error">{error}</FieldError>
    </TextField>
  );
}
