import { create } from "qrcode";
import type { ReactElement } from "react";

/** Modules of quiet around the code, as ISO/IEC 18004 asks for. */
const QUIET = 4;

/** Text as a QR code, dark on white in any colour scheme, since cameras expect it. */
export function QrCode({ text, label }: { text: string; label: string }): ReactElement {
  const { modules } = create(text, { errorCorrectionLevel: "M" });
  const side = modules.size + 2 * QUIET;
  const path = Array.from(modules.data, (dark, index) => {
    const x = (index % modules.size) + QUIET;
    const y = Math.floor(index / modules.size) + QUIET;
    return dark === 1 ? `M${x} ${y}h1v1h-1z` : "";
  }).join("");
  return (
    <svg className="qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <path d={path} fill="#000000" />
    </svg>
  );
}
