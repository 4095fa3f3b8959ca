import type { ReactElement } from "react";
import { CopyButton } from "./copy.tsx";
import { Note } from "./notes.tsx";
import { QrCode } from "./qr-code.tsx";
import { When } from "./when.tsx";

/** An enrollment URL, shown while the page that made it stays open and never again. */
export function OneTimeUrl({ url, until, peer }: { url: string; until: string; peer: string }): ReactElement {
  return (
    <section className="card" aria-label="One-time URL">
      <h2>One-time URL for {peer}</h2>
      <Note tone="warn">
        <p>
          It is shown this once. Whoever has it first can enroll: send it to the administrator of {peer} by a way that
          you both trust. It works once, and ends <When at={until} />.
        </p>
      </Note>
      <div className="columns">
        <div className="stack">
          <pre className="sample" data-testid="enrollment-url">
            {url}
          </pre>
          <CopyButton text={url}>Copy the URL</CopyButton>
          <p className="small soft">
            There: <code>mosaic federation peer add &quot;&lt;the URL&gt;&quot; --user &lt;their user&gt;</code>
          </p>
        </div>
        <QrCode text={url} label="The one-time URL as a QR code" />
      </div>
    </section>
  );
}
