import type { ReactElement } from "react";
import {
  Button,
  CheckboxButton,
  CheckboxField,
  CheckboxGroup,
  FieldError,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  RadioButton,
  RadioField,
  RadioGroup,
  Select,
  SelectValue,
  Text,
} from "react-aria-components";

/** One of the things to choose from. */
export interface Option {
  id: string;
  name: string;
}

interface ChoiceProps {
  label: string;
  options: readonly Option[];
  value: string | null;
  onChange: (id: string) => void;
  hint?: string;
  placeholder?: string;
  required?: boolean;
}

/** One of several, from a list that opens. */
export function Choice(props: ChoiceProps): ReactElement {
  const { label, options, value, onChange, hint, placeholder = "Choose…", required = false } = props;
  return (
    <Select
      className="field"
      placeholder={placeholder}
      value={value}
      isRequired={required}
      validationBehavior="aria"
      onChange={(key) => {
        if (key !== null) {
          onChange(String(key));
        }
      }}
    >
      <Label>
        {label}
        {required && <span aria-hidden> *</span>}
      </Label>
      <Button className="select-button">
        <SelectValue />
        <span aria-hidden>▾</span>
      </Button>
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <Popover className="popover">
        <ListBox className="list-box" items={options}>
          {(option) => (
            <ListBoxItem className="list-box-item" id={option.id} textValue={option.name}>
              {option.name}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </Select>
  );
}

interface SeveralProps {
  label: string;
  options: readonly Option[];
  value: readonly string[];
  onChange: (ids: string[]) => void;
  hint?: string;
  /** What is wrong with what is chosen. */
  error?: string | undefined;
}

/** Any number of several. */
export function Several({ label, options, value, onChange, hint, error }: SeveralProps): ReactElement {
  return (
    <CheckboxGroup
      className="choices"
      value={[...value]}
      onChange={onChange}
      isInvalid={error !== undefined}
      validationBehavior="aria"
    >
      <Label className="label">{label}</Label>
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <div className="options">
        {options.length === 0 && <span className="soft">There is nothing to choose from.</span>}
        {options.map(({ id, name }) => (
          <CheckboxField key={id} value={id}>
            <CheckboxButton className="check">
              <span>{name}</span>
            </CheckboxButton>
          </CheckboxField>
        ))}
      </div>
      <FieldError className="error">
        <span role="alert">{error}</span>
      </FieldError>
    </CheckboxGroup>
  );
}

/** Yes or no. */
export function Check({
  label,
  value,
  onChange,
}: {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
}): ReactElement {
  return (
    <CheckboxField isSelected={value} onChange={onChange}>
      <CheckboxButton className="check">
        <span>{label}</span>
      </CheckboxButton>
    </CheckboxField>
  );
}

/** One of a few, all in sight. */
export function OneOf({
  label,
  options,
  value,
  onChange,
}: {
  label: string;
  options: readonly Option[];
  value: string;
  onChange: (id: string) => void;
}): ReactElement {
  return (
    <RadioGroup className="choices" value={value} onChange={onChange}>
      <Label className="label">{label}</Label>
      <div className="options">
        {options.map(({ id, name }) => (
          <RadioField key={id} value={id}>
            <RadioButton className="radio">
              <span>{name}</span>
            </RadioButton>
          </RadioField>
        ))}
      </div>
    </RadioGroup>
  );
}
