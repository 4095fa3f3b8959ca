import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { sayReady } from "./ready.ts";
import { readSetup } from "./setup.ts";

// The limit of what Node's TLS and HTTP can do: it reads each request and sends the same bytes, which stand in a file.
//   node bench/peers/same-bytes.ts <setup file> <file of the answer>
const setup = readSetup(process.argv[2]);
const body = readFileSync(process.argv[3] ?? "");
const server = createServer(
  {
    key: readFileSync(setup.serverKeyFile),
    cert: readFileSync(setup.serverCertFile),
    ca: readFileSync(setup.caFile),
    requestCert: true,
    minVersion: "TLSv1.3",
    keepAliveTimeout: 60_000,
  },
  (request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body);
    });
  },
);
sayReady(server, setup.port);
