import type { ReactElement, ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { Button } from "./button.tsx";
import type { ButtonKind } from "./button.tsx";
import { Failure } from "./notes.tsx";

interface AskProps {
  title: string;
  children: ReactNode;
  /** What the button that does it says. */
  action: string;
  kind?: ButtonKind;
  busy: boolean;
  disabled?: boolean;
  error: unknown;
  onAnswer: (yes: boolean) => void;
}

/** Asks before something is done; Escape and the other button leave all as it is. */
export function Ask(props: AskProps): ReactElement {
  const { title, children, action, kind = "primary", busy, disabled = false, error, onAnswer } = props;
  return (
    <ModalOverlay
      className="overlay"
      isOpen
      isDismissable={!busy}
      // What is under way would answer the dialog that is opened next.
      isKeyboardDismissDisabled={busy}
      onOpenChange={(open) => {
        if (!open) {
          onAnswer(false);
        }
      }}
    >
      <Modal className="modal">
        <Dialog className="dialog" role="alertdialog">
          <Heading slot="title">{title}</Heading>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              onAnswer(true);
            }}
          >
            {children}
            {error != null && <Failure error={error} />}
            <div className="row">
              <Button
                onPress={() => {
                  onAnswer(false);
                }}
                disabled={busy}
              >
                Cancel
              </Button>
              <Button kind={kind} type="submit" busy={busy} disabled={disabled}>
                {action}
              </Button>
            </div>
          </form>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
