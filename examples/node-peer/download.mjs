// One download: agree on the manifest, fetch chunks from all sources, commit.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import { acceptable, chunksOf, files, STAGING, VERSION_FILE } from "./library.mjs";

const PROGRESS_MS = 500;

/** How a download ends if it does not finish. */
class Ended extends Error {
  constructor(event, code, reason) {
    super(reason);
    Object.assign(this, { event, code });
  }
}

/** Distribute chunks: the largest first, each to the source with the fewest bytes so far. */
export function plan(chunks, sources) {
  const shares = sources.map((source) => ({ source, chunks: [], bytes: 0 }));
  for (const chunk of [...chunks].sort((one, other) => other.length - one.length)) {
    const least = shares.reduce((best, share) => (share.bytes < best.bytes ? share : best));
    least.chunks.push(chunk);
    least.bytes += chunk.length;
  }
  return shares;
}

/** Group sources by their manifest; return the strictly largest group, or null if there is none. */
export function agree(said) {
  const groups = new Map();
  for (const { source, files: described } of said) {
    const key = JSON.stringify(described.map((file) => [file.path, file.size, file.sha256]));
    if (!groups.has(key)) groups.set(key, { files: described, sources: [] });
    groups.get(key).sources.push(source);
  }
  const [first, second] = [...groups.values()].sort((a, b) => b.sources.length - a.sources.length);
  return second?.sources.length === first.sources.length ? null : first;
}

export class Download {
  /** `peer` has `network`, `limit` (of downloads), `stallMs`, `gamesDir`, `emit(event, data)`. */
  constructor(peer, gameId) {
    Object.assign(this, { peer, gameId, bytes: 0, active: 0 });
    this.root = path.join(peer.gamesDir, gameId);
    this.staging = path.join(this.root, STAGING);
    this.stop = new AbortController();
  }

  cancel() {
    this.stop.abort(new Ended("download-cancelled", "cancelled", "cancelled"));
  }

  /** Run the download and return its terminal event, [name, data], once its files are settled. */
  async run(sources) {
    try {
      const agreed = await this.#agree(sources);
      const throughput = await this.#transfer(agreed);
      this.#commit(agreed.files);
      return ["download-finished", { game_id: this.gameId, throughput }];
    } catch (error) {
      this.#rollBack();
      const failed = { event: "download-failed", code: "internal-error" };
      const { event, code } = error instanceof Ended ? error : failed;
      const why = event === "download-failed" ? { code, reason: error.message } : {};
      return [event, { game_id: this.gameId, ...why }];
    }
  }

  async #agree(sources) {
    const asked = sources.map(async (source) => {
      const described = await source.session.manifest(this.gameId);
      if (!acceptable(described)) throw new Error("a manifest that cannot be used");
      return { source, files: described };
    });
    const said = (await Promise.allSettled(asked)).flatMap(({ value }) => value ?? []);
    this.stop.signal.throwIfAborted();
    if (!said.length) throw new Ended("download-peers-gone", "no-peers", "no source answered");
    const agreed = agree(said);
    if (agreed) return agreed;
    const reason = `${said.length} sources differ in what ${this.gameId} is; no group is largest`;
    throw new Ended("download-failed", "ambiguous-metadata", reason);
  }

  async #transfer({ files: described, sources }) {
    const chunks = described.flatMap((file) =>
      chunksOf(file.size).map((chunk, number) => ({
        ...chunk,
        path: file.path,
        sha256: file.sha256[number],
        done: false,
      })),
    );
    this.total = described.reduce((sum, file) => sum + file.size, 0);
    this.#emit("got-game-files", {
      file_descriptions: described.map((file) => ({
        relative_path: `${this.gameId}/${file.path}`,
        size: file.size,
      })),
    });
    const began = this.#emit("download-begin", {
      total_bytes: this.total,
      sources: sources.map(({ id, addr }) => ({ peer_id: id, addr })),
    });
    this.#progress(0);
    let before = 0;
    const ticking = setInterval(() => {
      this.#progress(((this.bytes - before) * 1000) / PROGRESS_MS);
      before = this.bytes;
    }, PROGRESS_MS);
    try {
      this.ended = began;
      await this.#fetchAll(chunks, sources);
    } finally {
      clearInterval(ticking);
    }
    const seconds = Math.max(this.ended - began, 1e-6);
    this.#progress(this.total / seconds);
    return {
      bytes: this.total,
      duration_ms: seconds * 1000,
      mib_per_s: this.total / 2 ** 20 / seconds,
      mbit_per_s: (this.total * 8) / 1e6 / seconds,
      chunks: chunks.length,
    };
  }

  // In rounds: the others share what a failed source left.
  async #fetchAll(chunks, sources) {
    let todo = chunks;
    let left = sources;
    while (todo.length) {
      if (!left.length) throw new Ended("download-peers-gone", "no-peers", "no source is left");
      const shares = plan(todo, left);
      const rounds = await Promise.all(shares.map((share) => this.#fetchShare(share)));
      this.stop.signal.throwIfAborted();
      left = left.filter((_, number) => rounds[number]);
      todo = todo.filter((chunk) => !chunk.done);
    }
  }

  /** Fetch a source's share; return false if the source failed. */
  async #fetchShare({ source, chunks }) {
    this.active += 1;
    try {
      for (const chunk of chunks) {
        await this.#fetch(source, chunk);
        chunk.done = true;
        this.ended = this.#emit("download-chunk-finished", {
          peer_id: source.id,
          peer_addr: source.addr,
          relative_path: `${this.gameId}/${chunk.path}`,
          offset: chunk.offset,
          length: chunk.length,
        });
      }
      return true;
    } catch (error) {
      if (error instanceof Ended) this.stop.abort(error); // not this source's fault: end them all
      return false;
    } finally {
      this.active -= 1;
    }
  }

  async #fetch(source, chunk) {
    const file = this.#open(chunk.path);
    const socket = this.peer.network.dial(source.addr, { signal: this.stop.signal });
    let came = 0;
    try {
      const { path: name, offset, length } = chunk;
      const request = { type: "get", game_id: this.gameId, path: name, offset, length };
      socket.setTimeout(this.peer.stallMs, () => socket.destroy(new Error("it delivers nothing")));
      socket.write(`${JSON.stringify(request)}\n`);
      const hash = createHash("sha256");
      for await (const data of socket) {
        if (came + data.length > length) throw new Error("more came than was asked for");
        hash.update(data);
        writable(() => fs.writeSync(file, data, 0, data.length, offset + came));
        came += data.length;
        this.bytes += data.length;
        await this.peer.limit.pass(data.length);
      }
      if (hash.digest("hex") !== chunk.sha256) throw new Error("wrong bytes, or too few");
    } catch (error) {
      this.bytes -= came;
      throw error;
    } finally {
      socket.destroy();
      fs.closeSync(file);
    }
  }

  #open(name) {
    return writable(() => {
      const file = path.join(this.staging, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      return fs.openSync(file, fs.constants.O_CREAT | fs.constants.O_WRONLY);
    });
  }

  // version.ini is removed first and added last, so a game that has it is whole.
  #commit(described) {
    writable(() => {
      fs.rmSync(path.join(this.root, VERSION_FILE), { force: true });
      for (const old of files(this.root)) fs.rmSync(path.join(this.root, old.path));
      const names = described.map((file) => file.path).filter((name) => name !== VERSION_FILE);
      for (const name of [...names, VERSION_FILE]) {
        fs.mkdirSync(path.dirname(path.join(this.root, name)), { recursive: true });
        fs.renameSync(path.join(this.staging, name), path.join(this.root, name));
      }
      fs.rmSync(this.staging, { recursive: true });
    });
  }

  #rollBack() {
    fs.rmSync(this.staging, { recursive: true, force: true });
    try {
      fs.rmdirSync(this.root);
    } catch (error) {
      if (!["ENOENT", "ENOTEMPTY"].includes(error.code)) throw error;
    }
  }

  #progress(bytesPerSecond) {
    this.#emit("download-progress", {
      downloaded_bytes: this.bytes,
      total_bytes: this.total,
      bytes_per_second: Math.round(bytesPerSecond),
      active_peer_count: this.active,
    });
  }

  #emit(event, data) {
    return this.peer.emit(event, { game_id: this.gameId, ...data });
  }
}

function writable(act) {
  try {
    return act();
  } catch (error) {
    throw new Ended("download-failed", "write-failed", error.message);
  }
}
