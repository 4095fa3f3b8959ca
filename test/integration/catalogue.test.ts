import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Pool } from "pg";
import type { Sessions } from "../../src/database/session.ts";
import { createCatalogue } from "../../src/graphile/catalogue.ts";
import { createHomeExecutor } from "../../src/graphile/home-schema.ts";
import { createVerbExecutor } from "../../src/graphile/verb-schema.ts";
import type { HomeQueries } from "../../src/source/home-queries.ts";
import { openPool, openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = openPool(database.connectionString, 2);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

test("schemas that are built at the same time ask for the catalogue once, and one that is built later asks again", async () => {
  const asked = vi.spyOn(pool, "query");
  const catalogue = createCatalogue(pool);
  const build = (): Promise<unknown> =>
    Promise.all([
      createVerbExecutor(catalogue, {} as Sessions, { keepsStatements: false }),
      createHomeExecutor(catalogue, {} as Sessions, {} as HomeQueries),
    ]);
  await build();
  expect(asked).toHaveBeenCalledTimes(1);
  await build();
  expect(asked).toHaveBeenCalledTimes(2);
});

test("a catalogue that could not be read is asked for again", async () => {
  const catalogue = createCatalogue(pool);
  const asked = vi.spyOn(pool, "query");
  asked.mockRejectedValueOnce(new Error("the connection is lost"));
  const build = (): Promise<unknown> => createVerbExecutor(catalogue, {} as Sessions, { keepsStatements: false });
  await expect(build()).rejects.toThrow("the connection is lost");
  expect(await build()).toHaveProperty("schema");
  expect(asked).toHaveBeenCalled();
});
