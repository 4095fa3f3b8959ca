// Whether the gateway in this container serves. Its certificate is of its own authority and the way is loopback: nothing to verify.
import { get } from "node:https";

const asked = get("https://127.0.0.1:8444/healthz", { rejectUnauthorized: false, timeout: 4_000 }, (response) => {
  response.resume();
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
asked.once("timeout", () => asked.destroy(new Error("no answer in time")));
asked.once("error", () => {
  process.exitCode = 1;
});
