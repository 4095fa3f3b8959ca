import { useEffect, useRef } from "react";
import type { RefObject } from "react";

/** Where the page is that was shown last; at first, where the browser loaded it. */
let shownAt = window.location.pathname;

/** Whether anything was done since then: before, the first stop of the keyboard is the link past the sections, as the browser has it. */
let acted = false;
for (const kind of ["keydown", "pointerdown"]) {
  window.addEventListener(
    kind,
    () => {
      acted = true;
    },
    { capture: true, once: true },
  );
}

/** The heading at which the keyboard goes on once another page is there, or another one stands where what had the focus was. */
export function useArrival(title: string): RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const { pathname } = window.location;
    if (pathname !== shownAt || (acted && document.activeElement === document.body)) {
      heading.current?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    shownAt = pathname;
  }, [title]);
  return heading;
}
