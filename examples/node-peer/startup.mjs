// What comes before the first event: flags, the identity, and folders in order.

import { createHash, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { STAGING, VERSION_FILE } from "./library.mjs";
import { Identity } from "./network.mjs";

const FLAGS = {
  name: { type: "string" },
  "games-dir": { type: "string" },
  "state-dir": { type: "string" },
  "catalog-db": { type: "string" },
  listen: { type: "string" },
  fixture: { type: "string", multiple: true },
  "upload-limit": { type: "string" },
  "download-limit": { type: "string" },
  "stall-timeout": { type: "string" },
  // How to read archives; ignored, since this peer never does.
  unrar: { type: "string" },
  unpacker: { type: "string" },
};

/** Return the value of each flag: from the command line, else from its environment variable. */
export function settings() {
  const flags = parseArgs({ options: FLAGS }).values;
  for (const name of Object.keys(FLAGS)) {
    const variable = process.env[`PEER_CLI_${name.toUpperCase().replaceAll("-", "_")}`];
    if (variable !== undefined) flags[name] ??= name === "fixture" ? variable.split(",") : variable;
  }
  for (const name of ["games-dir", "state-dir", "catalog-db"]) {
    if (!flags[name]) throw new Error(`--${name} is missing`);
  }
  const seconds = Number(flags["stall-timeout"] ?? 5);
  if (!(seconds > 0)) throw new Error("--stall-timeout takes seconds, such as 5");
  return { ...flags, stallMs: seconds * 1000 };
}

/** Return this peer's identity, creating it at the first start. */
export function identity(stateDir) {
  const file = path.join(stateDir, "identity.pem");
  if (!fs.existsSync(file)) {
    const { privateKey } = generateKeyPairSync("ed25519");
    fs.mkdirSync(stateDir, { recursive: true });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" });
    fs.writeFileSync(`${file}.tmp`, pem, { mode: 0o600 });
    fs.renameSync(`${file}.tmp`, file);
  }
  return new Identity(fs.readFileSync(file));
}

/** Make a tiny game, the same for the same id and version at every peer. Its archive is not RAR. */
export function seed(gamesDir, id, version) {
  const root = path.join(gamesDir, id);
  if (!/^\w[\w-]*$/.test(id)) throw new Error(`--fixture cannot be ${id}`);
  if (fs.existsSync(path.join(root, VERSION_FILE))) return;
  fs.mkdirSync(root, { recursive: true });
  const block = (_, number) => createHash("sha256").update(`${id} ${number}`).digest();
  const archive = Buffer.concat(Array.from({ length: 2048 }, block));
  fs.writeFileSync(path.join(root, `${id}.eti`), archive);
  fs.writeFileSync(path.join(root, VERSION_FILE), `${version}\n`);
}

/** Remove what a killed download left. */
export function tidy(gamesDir) {
  for (const id of fs.readdirSync(gamesDir)) {
    const staging = path.join(gamesDir, id, STAGING);
    if (fs.existsSync(staging)) fs.rmSync(staging, { recursive: true });
  }
}

/** Return the address to listen on unless a flag names one. */
export function ownAddress() {
  const all = Object.values(os.networkInterfaces()).flat();
  return all.find((one) => one.family === "IPv4" && !one.internal)?.address ?? "127.0.0.1";
}
