// Grafast asks for this variable when it is first imported, and prints a warning to the terminal of whoever runs a command where
// it is not set. Import this module before any of PostGraphile's.
process.env["GRAPHILE_ENV"] ??= "production";
