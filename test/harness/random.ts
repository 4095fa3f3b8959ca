/** Random choices that are the same run after run of one seed, so that a failure can be seen again. */
export interface Random {
  /** From 0 up to 1. */
  (): number;
  anyOf: <T>(choices: readonly T[]) => T;
}

/** @param seed a whole number from 0 up to 2³² */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const random = (): number => {
    // Numerical Recipes in C, §7.1, "An Even Quicker and Dirtier Generator".
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const anyOf = <T>(choices: readonly T[]): T => {
    const chosen = choices[Math.floor(random() * choices.length)];
    if (chosen === undefined) {
      throw new Error("there is nothing to choose from");
    }
    return chosen;
  };
  return Object.assign(random, { anyOf });
}
