/** Moves the focus to the first field of a form that is said to be wrong, once that is shown: it may be off the screen. */
export function focusFirstFault(form: HTMLElement): void {
  requestAnimationFrame(() => {
    form.querySelector<HTMLElement>('[aria-invalid="true"], [data-invalid] input')?.focus();
  });
}
