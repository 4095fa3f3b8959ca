/**
 * Calls back at the first Ctrl-C or SIGTERM; one that comes later ends the process as it would by itself. Returns what ends the listening.
 *
 * A listener that is gone as soon as it was called would not do: `proper-lockfile` ends the process with the signal where it finds that no other
 * listener than its own is there, and it may be called after ours.
 */
export function onStopSignal(stop: () => void): () => void {
  const end = (): void => {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  };
  const onSignal = (): void => {
    stop();
    setImmediate(end);
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return end;
}
