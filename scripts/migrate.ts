import { migrateDatabase } from "../src/database/migrate.ts";

// `npm run db:migrate`: brings the database of DATABASE_URL to this release, as a gateway does at its start.
const connectionString = process.env["DATABASE_URL"];
if (connectionString === undefined) {
  throw new Error("DATABASE_URL is not set: it names the database to migrate, as an administrator");
}
await migrateDatabase({
  connectionString,
  log: (line) => {
    console.log(line);
  },
});
