import { useLayoutEffect, useRef, useState } from "react";
import type { RefObject } from "react";

/** Whether a table fits the place that it is in, which is its parent. */
export function useFit(): { table: RefObject<HTMLTableElement | null>; fits: boolean } {
  const table = useRef<HTMLTableElement>(null);
  // As a list it no longer says how wide a table it was.
  const needed = useRef(0);
  const [fits, setFits] = useState(true);
  useLayoutEffect(() => {
    const shown = table.current;
    const place = shown?.parentElement;
    if (shown == null || place == null) {
      return;
    }
    const measure = (): void => {
      if (fits) {
        needed.current = shown.offsetWidth;
      }
      setFits(needed.current <= place.clientWidth);
    };
    measure();
    const sizes = new ResizeObserver(measure);
    sizes.observe(place);
    sizes.observe(shown);
    return () => {
      sizes.disconnect();
    };
  });
  return { table, fits };
}
