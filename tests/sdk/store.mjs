// Where a daemon of the tests stores: as it does by itself, or, with GAFF_TEST_STORE=postgres, in a
// database of its own on the server that tests/postgres/cluster.py started.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";

const server = process.env.GAFF_TEST_STORE === "postgres" ? process.env.GAFF_TEST_POSTGRES : undefined;
export const ON_POSTGRES = server !== undefined;
/** Nodes are told their token; a daemon alone makes one. */
export const TOKEN = ON_POSTGRES ? "a-token-for-the-tests-alone" : undefined;

function sql(text) {
  execFileSync("psql", ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", server, "-c", text]);
}

/** What a daemon's environment says of its store, and how that ends. */
export function makeStore() {
  if (!ON_POSTGRES) return { env: {}, drop() {} };
  const name = `js_${randomBytes(6).toString("hex")}`;
  sql(`CREATE DATABASE ${name}`);
  return {
    env: { GAFF_STORE: `${server.slice(0, server.lastIndexOf("/"))}/${name}`, GAFF_ADMIN__TOKEN: TOKEN, GAFF_TOKEN: TOKEN },
    drop: () => sql(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}
