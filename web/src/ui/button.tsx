import type { ReactElement, ReactNode } from "react";
import { Button as AriaButton } from "react-aria-components";
import { Link } from "wouter";

/** What a button looks like: what most come for, what cannot be taken back, or neither. */
export type ButtonKind = "primary" | "danger" | "plain";

interface ButtonProps {
  children: ReactNode;
  onPress?: () => void;
  kind?: ButtonKind;
  type?: "button" | "submit";
  /** While what it started is under way; it stays in focus and takes no press. */
  busy?: boolean;
  disabled?: boolean;
}

/** A button. */
export function Button(props: ButtonProps): ReactElement {
  const { children, onPress, kind = "plain", type = "button", busy = false, disabled = false } = props;
  return (
    <AriaButton
      className={`button ${kind}${busy ? " busy" : ""}`}
      // One that is disabled loses the keyboard's focus.
      type={busy ? "button" : type}
      isDisabled={disabled}
      {...(onPress === undefined || busy ? {} : { onPress })}
    >
      {children}
    </AriaButton>
  );
}

/** A link to another page that looks like a button. */
export function ButtonLink({
  to,
  children,
  kind = "plain",
}: {
  to: string;
  children: ReactNode;
  kind?: ButtonKind;
}): ReactElement {
  return (
    <Link href={to} className={`button ${kind}`}>
      {children}
    </Link>
  );
}
