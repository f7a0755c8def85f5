// The protocol of these peers: JSON lines over TCP, one port.
//
// The first line of a connection says what it is for. `hello` opens a session, in which both sides
// prove their identity and then exchange libraries. `get` requests a range of one file, which follows
// without framing. Nothing is encrypted, so use it on a trusted network only.

import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

export const PROTOCOL = 1;
const LONGEST_LINE = 64 * 2 ** 20; // a manifest is one line
const PING_MS = 1000;
const SILENCE_MS = 5000;
const MANIFEST_MS = 60_000;
const SLICE = 2 ** 20;

/** Splits a stream of bytes into lines; a line that is too long becomes null. */
export class Lines {
  constructor(longest, take) {
    Object.assign(this, { longest, take, parts: [], size: 0 });
  }

  feed(data) {
    let start = 0;
    for (let end; (end = data.indexOf(10, start)) >= 0; start = end + 1) {
      this.#add(data.subarray(start, end));
      const line = this.size > this.longest ? null : Buffer.concat(this.parts).toString("utf8");
      [this.parts, this.size] = [[], 0];
      this.take(line);
    }
    this.#add(data.subarray(start));
  }

  #add(part) {
    this.size += part.length;
    if (this.size > this.longest) this.parts = [];
    else this.parts.push(part);
  }
}

/** A rate limit for all transfers together, in bytes per second; null means none. */
export class Limit {
  constructor(rate) {
    this.set(rate);
  }

  set(rate) {
    this.rate = rate;
    this.free = performance.now(); // when the next bytes may pass
  }

  slice(left) {
    const most = this.rate ? Math.max(1, Math.floor(this.rate / 20)) : SLICE;
    return Math.min(left, most, SLICE);
  }

  async pass(bytes) {
    if (!this.rate) return;
    const turn = Math.max(this.free, performance.now());
    this.free = turn + (bytes / this.rate) * 1000;
    // In short steps, because the limit may change meanwhile.
    for (let left; this.rate && (left = turn - performance.now()) > 0; ) {
      await sleep(Math.min(left, 50));
    }
  }
}

/** This peer's identity: the id is derived from its key. */
export class Identity {
  constructor(privateKeyPem) {
    this.privateKey = crypto.createPrivateKey(privateKeyPem);
    this.publicKey = crypto.createPublicKey(this.privateKey).export(KEY_FORM);
    this.id = idOf(this.publicKey);
  }
}

const KEY_FORM = { type: "spki", format: "der" };

function idOf(publicKey) {
  return crypto.createHash("sha256").update(publicKey).digest("hex").slice(0, 32);
}

/** One session with another peer; `id` is set once that peer has proven it. */
class Session {
  constructor(network, socket, onSettled = () => {}) {
    Object.assign(this, { network, socket, onSettled, id: null, theirs: null });
    this.nonce = crypto.randomBytes(16).toString("hex");
    this.requests = new Map();
    this.pings = setInterval(() => this.send({ type: "ping" }), PING_MS);
    socket.setTimeout(SILENCE_MS, () => this.end("timeout"));
    socket.on("close", () => this.end("connection-lost"));
    this.send({
      type: "hello",
      protocol: PROTOCOL,
      key: network.identity.publicKey.toString("base64"),
      nonce: this.nonce,
      name: network.name,
      port: network.port,
    });
  }

  send(message) {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Ask for a game's manifest; rejects if there is none, or no answer. */
  manifest(gameId) {
    return new Promise((resolve, reject) => {
      const request = crypto.randomBytes(8).toString("hex");
      const timer = setTimeout(() => this.#answer(request, { error: "no answer" }), MANIFEST_MS);
      this.requests.set(request, { resolve, reject, timer });
      this.send({ type: "manifest-of", request, game_id: gameId });
    });
  }

  end(reason, error = reason) {
    clearInterval(this.pings);
    for (const request of this.requests.keys()) this.#answer(request, { error });
    this.onSettled(new Error(error));
    this.socket.end();
    if (reason !== "goodbye") this.socket.destroy();
    this.network.lost(this, reason);
  }

  take(line) {
    try {
      this.#act(JSON.parse(line));
    } catch (error) {
      this.end("connection-lost", `it does not keep to the protocol: ${error.message}`);
    }
  }

  #act(message) {
    if (message.type === "hello") return this.#hello(message);
    if (message.type === "refused") return this.end("connection-lost", message.error);
    if (message.type === "proof") return this.#proof(message);
    if (!this.id) throw new Error(`${message.type} before the proof`);
    switch (message.type) {
      case "library":
        return this.network.told(this, message.games);
      case "manifest-of":
        return void this.#describe(message);
      case "manifest":
        return this.#answer(message.request, message);
      case "goodbye":
        return this.end("goodbye");
      case "ping":
        return undefined;
      default:
        throw new Error(`unknown message ${message.type}`);
    }
  }

  #hello(theirs) {
    if (theirs.protocol !== PROTOCOL) throw new Error(`protocol ${theirs.protocol}`);
    this.theirs = { ...theirs, id: idOf(Buffer.from(theirs.key, "base64")) };
    if (this.theirs.id === this.network.identity.id) {
      this.send({ type: "refused", error: "cannot connect peer to itself" });
      return this.end("goodbye", "cannot connect peer to itself");
    }
    const { id, privateKey } = this.network.identity;
    const said = proofText(id, this.nonce, this.theirs.id, this.theirs.nonce);
    const signature = crypto.sign(null, said, privateKey);
    return this.send({ type: "proof", signature: signature.toString("base64") });
  }

  #proof({ signature }) {
    const { id, key, nonce } = this.theirs;
    const said = proofText(id, nonce, this.network.identity.id, this.nonce);
    const theirKey = crypto.createPublicKey({ key: Buffer.from(key, "base64"), ...KEY_FORM });
    const proven = crypto.verify(null, said, theirKey, Buffer.from(signature, "base64"));
    if (!proven) throw new Error("bad proof");
    this.id = id;
    this.network.met(this);
    this.onSettled(null);
  }

  async #describe({ request, game_id: gameId }) {
    try {
      const files = await this.network.host.manifestOf(gameId);
      this.send({ type: "manifest", request, files });
    } catch (error) {
      this.send({ type: "manifest", request, error: error.message });
    }
  }

  #answer(request, { files, error }) {
    const waiting = this.requests.get(request);
    if (!waiting) return;
    this.requests.delete(request);
    clearTimeout(waiting.timer);
    if (error) waiting.reject(new Error(error));
    else waiting.resolve(files);
  }
}

const proofText = (...parts) => Buffer.from(JSON.stringify(["node-peer", ...parts]));

/**
 * The known peers, and their requests. The host provides the content
 * (`advertised()`, `manifestOf(game)`, `servable(game, path)`) and gets the events
 * (`connected(peer)`, `libraryOf(peer)`, `disconnected(peer, reason)`).
 */
export class Network {
  constructor(host, identity, name, upload) {
    Object.assign(this, { host, identity, name, upload });
    this.peers = new Map(); // by id: {id, name, addr, games, session}
    this.outbound = {}; // transfers by game
    this.sockets = new Set();
  }

  async listen(ip, port) {
    this.server = net.createServer((socket) => this.#accept(socket));
    await new Promise((resolve, reject) => {
      this.server.once("error", reject).listen(port, ip, resolve);
    });
    this.ip = ip;
    this.port = this.server.address().port;
    this.addr = `${ip}:${this.port}`;
  }

  /** Open a connection from this peer's own address. */
  dial(addr, options = {}) {
    const [host, port] = addr.split(":");
    return this.#keep(net.connect({ host, port: Number(port), localAddress: this.ip, ...options }));
  }

  /** Do the handshake with the peer at an address and return it; rejects with the cause. */
  connect(addr) {
    return new Promise((resolve, reject) => {
      const socket = this.dial(addr);
      let cause = null;
      socket.on("error", (error) => (cause = error));
      const session = new Session(this, socket, (error) => {
        if (error) reject(cause ?? error);
        else resolve(this.peers.get(session.id));
      });
      const lines = new Lines(LONGEST_LINE, (line) => session.take(line));
      socket.on("data", (data) => lines.feed(data));
    });
  }

  met(session) {
    const { id, name, port } = session.theirs;
    const before = this.peers.get(id);
    const peer = { id, name, addr: `${session.socket.remoteAddress}:${port}`, session };
    // Two peers may connect to each other at once. The newest session is used here; the other one
    // stays open, because the other side may use it.
    this.peers.set(id, { ...peer, games: before?.games ?? [] });
    if (before?.addr !== peer.addr) this.host.connected(peer);
    session.send({ type: "library", games: this.host.advertised() });
  }

  told(session, games) {
    const peer = this.peers.get(session.id);
    if (!Array.isArray(games)) throw new Error("a library that is no list");
    if (!peer) return;
    peer.games = games;
    this.host.libraryOf(peer);
  }

  lost(session, reason) {
    const peer = this.peers.get(session.id);
    if (!peer || (peer.session !== session && reason !== "goodbye")) return;
    this.peers.delete(session.id);
    this.host.disconnected(peer, reason);
  }

  tellAll() {
    const message = { type: "library", games: this.host.advertised() };
    for (const { session } of this.peers.values()) session.send(message);
  }

  /** Say goodbye to all peers, and wait until that is sent. */
  async close() {
    this.server.close();
    const sessions = [...this.peers.values()].map((peer) => peer.session);
    this.peers.clear();
    for (const session of sessions) {
      session.send({ type: "goodbye" });
      session.end("goodbye");
    }
    const kept = new Set(sessions.map((session) => session.socket));
    for (const socket of this.sockets) if (!kept.has(socket)) socket.destroy();
    const closed = (socket) => socket.closed || once(socket, "close");
    await Promise.race([Promise.all([...kept].map(closed)), sleep(1000)]);
  }

  #keep(socket) {
    this.sockets.add(socket);
    socket.on("error", () => {}); // `close` follows
    socket.on("close", () => this.sockets.delete(socket));
    return socket;
  }

  #accept(socket) {
    this.#keep(socket).setTimeout(SILENCE_MS, () => socket.destroy());
    const lines = new Lines(LONGEST_LINE, (line) => {
      try {
        const message = JSON.parse(line);
        if (message.type === "get") {
          lines.take = () => {};
          void this.#serve(socket, message);
        } else {
          const session = new Session(this, socket);
          lines.take = (next) => session.take(next);
          session.take(line);
        }
      } catch {
        socket.destroy(); // it speaks something else
      }
    });
    socket.on("data", (data) => lines.feed(data));
  }

  async #serve(socket, { game_id: gameId, path, offset, length }) {
    const found = this.host.servable(gameId, path);
    if (!found || !(offset >= 0 && length >= 0 && offset + length <= found.size)) {
      return socket.destroy();
    }
    this.outbound[gameId] = (this.outbound[gameId] ?? 0) + 1;
    try {
      await pipeline(this.#read(found.file, offset, offset + length, socket), socket);
    } catch {
      socket.destroy(); // the receiver is gone, or the file is
    } finally {
      this.outbound[gameId] -= 1;
      if (!this.outbound[gameId]) delete this.outbound[gameId];
    }
  }

  async *#read(file, start, end, socket) {
    const handle = await fs.promises.open(file);
    try {
      for (let position = start; position < end && !socket.destroyed; ) {
        const size = this.upload.slice(end - position);
        await this.upload.pass(size);
        const buffer = Buffer.allocUnsafe(size);
        const { bytesRead } = await handle.read(buffer, 0, size, position);
        if (!bytesRead) throw new Error("the file has shrunk");
        yield buffer.subarray(0, bytesRead);
        position += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }
}
