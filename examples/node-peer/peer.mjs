#!/usr/bin/env node
// A peer with enough of the contract to run under the scenarios, without any dependency.
//
//     ./justw peer-cli-tests S1-S4 --peer-command "node examples/node-peer/peer.mjs"
//
// It reads commands from stdin and writes replies and events to stdout, one JSON object per line;
// everything else goes to stderr. It shares and downloads games, but does not install them: commands
// that it does not have get the error code `unknown-command`. docs/foreign-peers.md says what a peer
// must do, and which scenarios this one passes.
//
// It is an example: it does not encrypt, hashes its library again after every start, and restarts an
// interrupted download from the beginning.
//
//     peer.mjs      commands, replies and events  startup.mjs   flags, identity, folders
//     library.mjs   games, files, hashes          network.mjs   other peers, and the protocol
//     download.mjs  one download                  catalog.mjs   the catalog's SQLite

import os from "node:os";
import path from "node:path";

import { readCatalog } from "./catalog.mjs";
import { Download } from "./download.mjs";
import { manifest, files, scan } from "./library.mjs";
import { Limit, Lines, Network, PROTOCOL } from "./network.mjs";
import { identity, ownAddress, seed, settings, tidy } from "./startup.mjs";

const LONGEST_LINE = 2 ** 20;
const RESCAN_MS = 500;

/** The error reply of a command. */
class Refused extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

class Peer {
  constructor({ name, gamesDir, catalog, identity, upload, download, stallMs }) {
    Object.assign(this, { name, gamesDir, catalog, stallMs });
    this.limit = new Limit(download);
    this.network = new Network(this, identity, name, new Limit(upload));
    this.operations = new Map(); // downloads by game
    this.waiting = new Set(); // what wait-peers looks at again when somebody comes
    this.started = performance.now();
    this.seq = 0;
    this.games = scan(gamesDir);
  }

  async start(ip, port) {
    await this.network.listen(ip, port);
    this.emit("local-peer-ready", { ...this.me(), protocol: PROTOCOL });
    this.emit("local-library-changed", { games: this.games });
    setInterval(() => this.rescan(), RESCAN_MS);
  }

  /** Write an event and return its time, in seconds. */
  emit(event, data) {
    const ts = (performance.timeOrigin + performance.now()) / 1000;
    say({ type: "event", event, seq: this.seq++, ts, data });
    return ts;
  }

  me() {
    return { peer_id: this.network.identity.id, name: this.name, addr: this.network.addr };
  }

  // The library, as other peers see it.

  rescan() {
    const games = scan(this.gamesDir);
    if (JSON.stringify(games) === JSON.stringify(this.games)) return;
    this.games = games;
    this.emit("local-library-changed", { games });
    this.network.tellAll();
  }

  advertised() {
    return this.games
      .filter((game) => !this.operations.has(game.id))
      .map(({ version, ...game }) => ({ ...game, eti_version: version }));
  }

  /** Whether peers exchange the game of a row: whole, and at exactly the catalog's version. */
  eligible({ id, availability, eti_version: version }) {
    return availability === "Ready" && this.catalog.get(id) === version;
  }

  manifestOf(gameId) {
    if (!this.serves(gameId)) throw new Error(`${gameId} is not served`);
    return manifest(path.join(this.gamesDir, gameId));
  }

  /** Return the path of a served file, or null if it is not in the library's own list. */
  servable(gameId, name) {
    if (!this.serves(gameId)) return null;
    const root = path.join(this.gamesDir, gameId);
    const found = files(root).find((file) => file.path === name);
    return found ? { file: path.join(root, name), size: found.size } : null;
  }

  serves(gameId) {
    return this.advertised().some((game) => game.id === gameId && this.eligible(game));
  }

  // Other peers.

  connected({ id, name, addr }) {
    this.emit("peer-connected", { peer_id: id, name, addr });
    for (const look of this.waiting) look();
  }

  libraryOf({ id, games }) {
    this.emit("remote-library-changed", { peer_id: id, game_count: games.length });
  }

  disconnected({ id, name, addr }, reason) {
    this.emit("peer-disconnected", { peer_id: id, name, addr, reason });
  }

  offering(gameId) {
    const offers = (peer) => peer.games.some((game) => game.id === gameId && this.eligible(game));
    return [...this.network.peers.values()].filter(offers);
  }

  remote() {
    const games = new Map();
    for (const peer of this.network.peers.values()) {
      for (const game of peer.games.filter((one) => this.eligible(one))) {
        const row = games.get(game.id) ?? {
          id: game.id,
          peer_count: 0,
          eti_game_version: this.catalog.get(game.id),
          size: game.size,
        };
        games.set(game.id, { ...row, peer_count: row.peer_count + 1 });
      }
    }
    return [...games.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  // Downloads.

  active() {
    const ids = [...this.operations.keys()].sort();
    return ids.map((id) => ({ game_id: id, operation: "Downloading" }));
  }

  async download(gameId, sources) {
    const download = new Download(this, gameId);
    const ended = new Promise((resolve) => (download.settled = resolve));
    this.operations.set(gameId, { download, ended });
    this.emit("active-operations-changed", { active_operations: this.active() });
    const last = await download.run(sources);
    this.operations.delete(gameId);
    this.emit("active-operations-changed", { active_operations: this.active() });
    this.rescan();
    this.emit(...last);
    download.settled();
  }

  async cancel(gameId) {
    const { download, ended } = this.operations.get(gameId);
    download.cancel();
    await ended;
  }
}

// Each takes the peer and the arguments, and returns the data of the reply or throws Refused.
const COMMANDS = {
  status: (peer) => ({
    ...peer.me(),
    active_operations: peer.active(),
    active_outbound_transfers: peer.network.outbound,
    limits: { upload: peer.network.upload.rate, download: peer.limit.rate },
    uptime_s: (performance.now() - peer.started) / 1000,
  }),

  "list-peers": (peer) => ({
    peers: [...peer.network.peers.values()].map(({ id, name, addr, games }) => ({
      peer_id: id,
      name,
      addr,
      game_count: games.length,
      games,
    })),
  }),

  "list-games": (peer) => ({ local: peer.games, remote: peer.remote() }),

  async connect(peer, { addr }) {
    if (typeof addr !== "string" || !/^[^:]+:\d+$/.test(addr)) {
      throw new Refused("bad-argument", 'Expected "addr", as IP:port.');
    }
    try {
      const { id, addr: reached } = await peer.network.connect(addr);
      return { peer_id: id, addr: reached };
    } catch (error) {
      throw new Refused("connect-failed", `cannot connect to ${addr}: ${error.message}`);
    }
  },

  "wait-peers"(peer, { count, timeout_ms: timeout }) {
    if (!Number.isInteger(count) || !Number.isInteger(timeout)) {
      throw new Refused("bad-argument", 'Expected "count" and "timeout_ms", as whole numbers.');
    }
    const known = () => peer.network.peers.size;
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer);
        peer.waiting.delete(look);
        settle(value);
      };
      const look = () => known() >= count && done(resolve, { count: known() });
      const late = () => new Refused("timeout", `${known()} of ${count} peers after ${timeout} ms`);
      const timer = setTimeout(() => done(reject, late()), timeout);
      peer.waiting.add(look);
      look();
    });
  },

  download(peer, { game_id: id, install = true }) {
    if (typeof id !== "string") throw new Refused("bad-argument", 'Expected "game_id", as text.');
    if (peer.operations.has(id)) {
      throw new Refused("operation-active", `operation already in progress for ${id}`);
    }
    if (!peer.catalog.has(id)) {
      throw new Refused("not-in-catalog", `game ${id} is not in the local catalog`);
    }
    const sources = peer.offering(id);
    if (!sources.length) throw new Refused("no-peers", `no peers have game ${id}`);
    // The order matters: first the errors that any peer would give, then what this peer lacks. The
    // code makes a scenario that needs it "unsupported".
    if (install) throw new Refused("unknown-command", "This peer installs nothing: install=false.");
    void peer.download(id, sources);
    return { game_id: id, operation: "Downloading" };
  },

  async "cancel-download"(peer, { game_id: id }) {
    if (!peer.operations.has(id)) throw new Refused("nothing-active", `${id} is not downloading`);
    await peer.cancel(id);
    return {};
  },

  "set-limits"(peer, { upload = null, download = null }) {
    const rates = [rate(upload), rate(download)]; // both are looked at before one is set
    peer.network.upload.set(rates[0]);
    peer.limit.set(rates[1]);
    return { upload: rates[0], download: rates[1] };
  },
};

/** Run one line of stdin; every line gets exactly one reply. */
async function answer(peer, line) {
  let id = null;
  try {
    const request = parsed(line);
    id = request.id ?? null;
    const name = request.cmd ?? request.command;
    if (name === "shutdown") {
      say({ type: "result", id, data: {} });
      return await end(peer);
    }
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : null;
    if (!command) {
      const known = [...Object.keys(COMMANDS), "shutdown"].join(", ");
      const text = `There is no command ${JSON.stringify(name)}, only ${known}.`;
      throw new Refused("unknown-command", text);
    }
    say({ type: "result", id, data: await command(peer, request) });
  } catch (error) {
    const code = error instanceof Refused ? error.code : "internal-error";
    if (code === "internal-error") console.error(error);
    say({ type: "error", id, error: error.message, code });
  }
  return undefined;
}

function parsed(line) {
  if (line === null) throw new Refused("line-too-long", `Over ${LONGEST_LINE} bytes on one line.`);
  let request;
  try {
    request = JSON.parse(line);
  } catch (error) {
    throw new Refused("bad-json", `Expected one JSON object on the line: ${error.message}`);
  }
  if (request === null || typeof request !== "object" || Array.isArray(request)) {
    throw new Refused("bad-request", "Expected a JSON object on the line.");
  }
  return request;
}

let ending = false;

async function end(peer) {
  if (ending) return;
  ending = true;
  for (const gameId of peer.operations.keys()) await peer.cancel(gameId);
  await peer.network.close();
  process.exit(0);
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`); // at once: pipes are synchronous here
}

/** Parse a rate such as "80MiB" into bytes per second, or null for none. Throws Refused. */
function rate(given) {
  if (given === null) return null;
  const units = { "": 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
  const [, number, unit] = /^(\d+(?:\.\d+)?)(\w*)$/.exec(String(given)) ?? [];
  const bytes = Math.floor(Number(number) * units[unit]);
  if (!(bytes > 0)) throw new Refused("bad-argument", `Expected a rate as 80MiB, not ${given}.`);
  return bytes;
}

async function main() {
  let peer;
  try {
    const flags = settings();
    const catalog = readCatalog(flags["catalog-db"]);
    const gamesDir = flags["games-dir"];
    for (const id of flags.fixture ?? []) seed(gamesDir, id, catalog.get(id) ?? "1");
    tidy(gamesDir);
    const [ip, port] = (flags.listen ?? ownAddress()).split(":");
    peer = new Peer({
      name: flags.name ?? os.hostname(),
      gamesDir,
      catalog,
      identity: identity(flags["state-dir"]),
      upload: rate(flags["upload-limit"] ?? null),
      download: rate(flags["download-limit"] ?? null),
      stallMs: flags.stallMs,
    });
    await peer.start(ip, Number(port ?? 0));
  } catch (error) {
    console.error(`node-peer: ${error.message}`);
    process.exit(2);
  }
  const commands = new Lines(LONGEST_LINE, (line) => {
    if (!ending) void answer(peer, line);
  });
  process.stdin.on("data", (data) => commands.feed(data));
  process.stdin.on("end", () => void end(peer));
  process.on("SIGTERM", () => void end(peer));
}

await main();
