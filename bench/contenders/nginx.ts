import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { CLIENT_HEADER } from "../peers/setup.ts";
import { saidReady, startProcess } from "../peers/start.ts";
import type { Stage } from "../stage.ts";
import type { HttpContender } from "./contender.ts";
import { overHttp } from "./over-http.ts";
import { peerSetup, tlsClientOf } from "./peers.ts";
import { verbBodies, verbRows } from "./verbs.ts";

/** Whether nginx is on this machine. */
export function hasNginx(): boolean {
  return spawnSync("nginx", ["-v"]).status === 0;
}

/** (e): nginx ends mTLS before the hand-written handler, and says in a header whose certificate it was. */
export function nginxBefore(stage: Stage): HttpContender {
  return overHttp(stage, {
    name: "nginx",
    target: async (question) => ({
      origin: `https://127.0.0.1:${await nginxOn(stage, question.rows)}`,
      tls: tlsClientOf(stage, question.teams),
      path: "/",
      bodies: await verbBodies(stage, question),
    }),
    rowsOf: verbRows,
  });
}

function nginxOn(stage: Stage, rows: number): Promise<number> {
  return stage.once(`nginx ${rows}`, async () => {
    const setup = await peerSetup(stage, rows, { behindProxy: true });
    const script = join(import.meta.dirname, "../peers/hand-written.ts");
    const behind = await startProcess([process.execPath, script, setup.file], saidReady);
    stage.closers.add(() => behind.stop());
    const [port = 0] = await freePorts(1);
    const folder = join(stage.folder, `nginx-${rows}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "nginx.conf"), configuration(stage, port, setup.port));
    const nginx = await startProcess(["nginx", "-p", folder, "-c", join(folder, "nginx.conf"), "-e", "error.log"], () =>
      listensAt(port),
    );
    stage.closers.add(() => nginx.stop());
    return port;
  });
}

function configuration({ certificates }: Stage, port: number, behind: number): string {
  return `daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream handler { server 127.0.0.1:${behind}; keepalive 64; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate ${certificates.serverCertFile};
    ssl_certificate_key ${certificates.serverKeyFile};
    ssl_client_certificate ${certificates.caFile};
    ssl_verify_client on;
    keepalive_requests 10000000;
    location / {
      proxy_pass http://handler;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header ${CLIENT_HEADER} $ssl_client_s_dn;
      proxy_buffers 16 32k;
    }
  }
}
`;
}

/** Whether something listens at a port of loopback. */
export function listensAt(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(false);
    });
  });
}
