import { useState } from "react";
import type { ReactElement } from "react";
import { Button } from "./button.tsx";

/** Puts text into the clipboard, and says that it is there or that the browser does not let it. */
export function CopyButton({ text, children }: { text: string; children: string }): ReactElement {
  const [said, setSaid] = useState("");
  return (
    <span className="row">
      <Button
        onPress={() => {
          navigator.clipboard.writeText(text).then(
            () => {
              setSaid("Copied.");
            },
            () => {
              setSaid("The browser does not let it be copied: mark it and copy it by hand.");
            },
          );
        }}
      >
        {children}
      </Button>
      <span role="status" className="small soft">
        {said}
      </span>
    </span>
  );
}
