import { Component } from "react";
import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import { Note } from "./notes.tsx";

/**
 * Stands where a page would: what keeps it from being shown is mostly its code, which the gateway has another of by now, or does not send for want of a
 * network. Everything around it goes on.
 */
export class Fault extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) {
      return this.props.children;
    }
    return (
      <Note tone="bad" alert>
        <p>This page could not be shown. Is the gateway there, or has it been updated meanwhile?</p>
        <Button
          onPress={() => {
            window.location.reload();
          }}
        >
          Load it anew
        </Button>
      </Note>
    );
  }
}
