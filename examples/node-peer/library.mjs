// The games folder: its games, their files, and the hashes of these.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

export const CHUNK = 128 * 2 ** 20; // bytes
export const VERSION_FILE = "version.ini";
export const STAGING = ".lanspread";

// Names in a game's root that are never served, hashed or counted.
const RESERVED = new Set([
  "local",
  ".local.installing",
  ".local.backup",
  ".version.ini.tmp",
  STAGING,
  ".lanspread.json",
]);

/** Return the rows of all games in a folder, in order of their ids. */
export function scan(gamesDir) {
  const games = [];
  for (const entry of fs.readdirSync(gamesDir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    try {
      const game = scanGame(entry.name, path.join(gamesDir, entry.name));
      if (game) games.push(game);
    } catch (error) {
      if (error.code !== "ENOENT") throw error; // someone is removing it at this very moment
    }
  }
  return games.sort((one, other) => (one.id < other.id ? -1 : 1));
}

function scanGame(id, root) {
  const file = path.join(root, VERSION_FILE);
  const mark = fs.lstatSync(file, { throwIfNoEntry: false });
  const version = mark?.isFile() ? fs.readFileSync(file, "utf8").trim() : "";
  const downloaded = version !== ""; // an empty version.ini is one that is being written
  const local = fs.lstatSync(path.join(root, "local"), { throwIfNoEntry: false });
  const installed = local?.isDirectory() ?? false;
  if (!downloaded && !installed) return null;
  return {
    id,
    version: downloaded ? version : null,
    downloaded,
    installed,
    availability: downloaded ? "Ready" : "LocalOnly",
    size: downloaded ? files(root).reduce((sum, file) => sum + file.size, 0) : 0,
  };
}

/** Return the served files of a game's root, in order of their paths. Links are not followed. */
export function files(root) {
  const found = [];
  const walk = (folder) => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = folder + entry.name;
      if (RESERVED.has(name)) continue;
      if (entry.isDirectory()) walk(`${name}/`);
      else if (entry.isFile()) {
        const { size, mtimeMs } = fs.lstatSync(path.join(root, name));
        found.push({ path: name, size, mtimeMs });
      }
    }
  };
  walk("");
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** Return the chunks of a file; an empty file has one chunk of length 0. */
export function chunksOf(size) {
  const chunks = [];
  let offset = 0;
  do {
    chunks.push({ offset, length: Math.min(CHUNK, size - offset) });
    offset += CHUNK;
  } while (offset < size);
  return chunks;
}

const hashes = new Map();

/** Return the manifest of a game's root: [{path, size, sha256: [one per chunk]}]. */
export async function manifest(root) {
  const described = [];
  for (const file of files(root)) {
    const full = path.join(root, file.path);
    const key = `${full} ${file.size} ${file.mtimeMs}`;
    if (!hashes.has(key)) hashes.set(key, await hashChunks(full, file.size));
    described.push({ path: file.path, size: file.size, sha256: hashes.get(key) });
  }
  return described;
}

async function hashChunks(file, size) {
  const found = [];
  for (const { offset, length } of chunksOf(size)) {
    const hash = createHash("sha256");
    if (length) {
      const range = { start: offset, end: offset + length - 1, highWaterMark: 2 ** 20 };
      for await (const data of fs.createReadStream(file, range)) hash.update(data);
    }
    found.push(hash.digest("hex"));
  }
  return found;
}

/** Whether a remote manifest is safe to write below a root: valid sizes, hashes, names. */
export function acceptable(manifest) {
  if (!Array.isArray(manifest)) return false;
  const names = new Set(manifest.map((file) => file?.path));
  return (
    names.has(VERSION_FILE) &&
    names.size === manifest.length &&
    manifest.every(
      ({ path: name, size, sha256 }) =>
        typeof name === "string" &&
        /^[^\\\0]+$/.test(name) &&
        name.split("/").every((part) => !["", ".", ".."].includes(part)) &&
        !RESERVED.has(name.split("/")[0].toLowerCase()) &&
        Number.isSafeInteger(size) &&
        size >= 0 &&
        Array.isArray(sha256) &&
        sha256.length === chunksOf(size).length,
    )
  );
}
