/**
 * What is built once, when it is first asked for: PostGraphile reads the whole catalogue for each schema, and a gateway serves before it has done so for
 * those that are seldom used. Where building failed, who asks next has it tried again.
 */
export function whenAsked<T>(build: () => Promise<T>): () => Promise<T> {
  let built: Promise<T> | undefined;
  return () => {
    built ??= build().catch((error: unknown) => {
      built = undefined;
      throw error;
    });
    return built;
  };
}
