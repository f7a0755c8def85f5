// The catalog: an SQLite file with one table, games(game_id, version, ...).
//
// Node has SQLite only since version 22.5, so this reads the part of the file format
// (https://www.sqlite.org/fileformat.html) that a few short rows need: table b-trees whose rows fit
// on their page. In a language with an SQLite library this is one line.

import fs from "node:fs";

const LEAF = 13;
const INTERIOR = 5;

/** Return a Map from game id to the version that peers exchange. Throws if it cannot be read. */
export function readCatalog(file) {
  const database = fs.readFileSync(file);
  if (database.toString("latin1", 0, 15) !== "SQLite format 3") throw new Error("no SQLite file");
  const stored = database.readUInt16BE(16);
  const pageSize = stored === 1 ? 65536 : stored;
  // The first page has the schema: type, name, tbl_name, rootpage, sql.
  const schema = [...rows(database, pageSize, 1)];
  const games = schema.find(([type, name]) => type === "table" && name === "games");
  if (!games) throw new Error("no table `games`");
  const catalog = new Map();
  for (const [id, version] of rows(database, pageSize, games[3])) {
    catalog.set(id, String(version).trim());
  }
  return catalog;
}

function* rows(database, pageSize, number) {
  const page = database.subarray((number - 1) * pageSize, number * pageSize);
  const header = number === 1 ? 100 : 0;
  const kind = page[header];
  if (kind !== LEAF && kind !== INTERIOR) throw new Error(`page ${number} is of no table`);
  const cells = header + (kind === LEAF ? 8 : 12);
  for (let cell = 0; cell < page.readUInt16BE(header + 3); cell += 1) {
    const at = page.readUInt16BE(cells + 2 * cell);
    if (kind === LEAF) yield row(page, at, pageSize);
    else yield* rows(database, pageSize, page.readUInt32BE(at));
  }
  if (kind === INTERIOR) yield* rows(database, pageSize, page.readUInt32BE(header + 8));
}

function row(page, start, pageSize) {
  const [payload, afterPayload] = varint(page, start);
  const [, record] = varint(page, afterPayload); // the row's number
  if (payload > pageSize - 35) throw new Error("a row is too long for this reader");
  const [headerSize, firstType] = varint(page, record);
  const values = [];
  let body = record + headerSize;
  for (let at = firstType; at < record + headerSize; ) {
    let type;
    [type, at] = varint(page, at);
    const [value, size] = column(page, body, type);
    values.push(value);
    body += size;
  }
  return values;
}

function column(page, at, type) {
  if (type === 0) return [null, 0];
  if (type === 8 || type === 9) return [type - 8, 0];
  if (type <= 4) return [page.readIntBE(at, type), type];
  if (type === 5) return [page.readIntBE(at, 6), 6];
  if (type === 6) return [Number(page.readBigInt64BE(at)), 8];
  if (type === 7) return [page.readDoubleBE(at), 8];
  const size = Math.floor((type - 12) / 2);
  const bytes = page.subarray(at, at + size);
  return [type % 2 ? bytes.toString("utf8") : bytes, size];
}

function varint(page, start) {
  let value = 0;
  for (let at = start; ; at += 1) {
    value = value * 128 + (page[at] & 127);
    if (page[at] < 128) return [value, at + 1];
  }
}
