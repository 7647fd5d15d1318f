/**
 * What NEXMark's queries answer over bounded events, in SQL by their published definition
 * (https://github.com/nexmark/nexmark, `nexmark-flink/src/main/resources/queries`), which DuckDB computes: nothing of Misa is in it. `mode update` has one row a key here: the last one.
 *
 * Where the definition leaves something open, it says here what was taken.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { NexmarkEvent } from '../../examples/nexmark/generator.ts';

/** Bids of valid time on their auction. */
const VALID = `auction a JOIN bid b ON a.id = b.auction AND b."dateTime" BETWEEN a."dateTime" AND a.expires`;
/** Of equally high bids the first wins, as query 9 says; queries 4 and 6 ask for its price only. */
const WINNING = `SELECT a.id, a.seller, a.category, a.expires, b.price FROM ${VALID}
  QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b."dateTime") = 1`;
const HOP = `SELECT auction, count(*) AS num, "windowStart" FROM bid,
    LATERAL (SELECT ("dateTime" // 2000 - n) * 2000 AS "windowStart" FROM range(5) AS r(n)) GROUP BY auction, "windowStart"`;
const DAY = `strftime(make_timestamp("dateTime" * 1000), '%Y-%m-%d')`;
const HOUR = `hour(make_timestamp("dateTime" * 1000))`;
const RANKS = {
  total: 'true',
  rank1: 'price < 10000',
  rank2: 'price >= 10000 AND price < 1000000',
  rank3: 'price >= 1000000',
};
const byRank = (what: string, as: string): string =>
  Object.entries(RANKS)
    .map(([rank, where]) => `count(${what}) FILTER (WHERE ${where}) AS "${rank}${as}"`)
    .join(', ');
const STATISTICS = [byRank('*', 'Bids'), byRank('DISTINCT bidder', 'Bidders'), byRank('DISTINCT auction', 'Auctions')];

export const ANSWERS = {
  q0: `SELECT auction, bidder, price, "dateTime", extra FROM bid`,
  q1: `SELECT auction, bidder, (0.908 * price)::DOUBLE AS price, "dateTime", extra FROM bid`,
  q2: `SELECT auction, price FROM bid WHERE auction % 123 = 0`,
  q3: `SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
    WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')`,
  q4: `SELECT category, trunc(avg(price))::BIGINT AS final FROM (${WINNING}) GROUP BY category`,
  q5: `SELECT auction, num, "windowStart" FROM (${HOP}) QUALIFY num = max(num) OVER (PARTITION BY "windowStart")`,
  // The last 10 to end, as the query's own words say; its SQL takes 11. Of two that end together the later id is later.
  q6: `SELECT seller, trunc(avg(price))::BIGINT AS "avgPrice" FROM (
      SELECT * FROM (${WINNING}) QUALIFY row_number() OVER (PARTITION BY seller ORDER BY expires DESC, id DESC) <= 10
    ) GROUP BY seller`,
  // A bid at the very end of a window is in the next one only; the SQL would look at it in both.
  q7: `SELECT auction, bidder, price, "dateTime", extra FROM bid
    QUALIFY price = max(price) OVER (PARTITION BY "dateTime" // 10000)`,
  q8: `SELECT p.id, p.name, p.start AS "startTime"
    FROM (SELECT DISTINCT id, name, "dateTime" // 10000 * 10000 AS start FROM person) p
    JOIN (SELECT DISTINCT seller, "dateTime" // 10000 * 10000 AS start FROM auction) a ON p.id = a.seller AND p.start = a.start`,
  q9: `SELECT a.*, b.auction, b.bidder, b.price, b.channel, b.url, b."dateTime" AS "bidDateTime", b.extra AS "bidExtra" FROM ${VALID}
    QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b."dateTime") = 1`,
  // A pause of exactly 10 s is none.
  q11: `SELECT bidder, count(*) AS "bidCount", min("dateTime") AS "startTime", max("dateTime") + 10000 AS "endTime" FROM (
      SELECT *, sum(begins) OVER (PARTITION BY bidder ORDER BY "dateTime" ROWS UNBOUNDED PRECEDING) AS session FROM (
        SELECT *, CASE WHEN "dateTime" - lag("dateTime") OVER (PARTITION BY bidder ORDER BY "dateTime") > 10000 THEN 1 ELSE 0 END AS begins
        FROM bid)
    ) GROUP BY bidder, session`,
  q12: `SELECT bidder, count(*) AS "bidCount", "processingTime" // 10000 * 10000 AS "startTime",
      "processingTime" // 10000 * 10000 + 10000 AS "endTime" FROM bid GROUP BY ALL`,
  q14: `SELECT auction, bidder, (0.908 * price)::DOUBLE AS price, CASE
      WHEN ${HOUR} >= 8 AND ${HOUR} <= 18 THEN 'dayTime' WHEN ${HOUR} <= 6 OR ${HOUR} >= 20 THEN 'nightTime' ELSE 'otherTime' END AS "bidTimeType",
      "dateTime", extra, length(extra) - length(replace(extra, 'c', '')) AS "countC"
    FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000`,
  q15: `SELECT ${DAY} AS day, ${STATISTICS} FROM bid GROUP BY ALL`,
  q16: `SELECT channel, ${DAY} AS day, max(strftime(make_timestamp("dateTime" * 1000), '%H:%M')) AS minute, ${STATISTICS} FROM bid
    GROUP BY channel, ${DAY}`,
  q17: `SELECT auction, ${DAY} AS day, ${byRank('*', 'Bids')}, min(price) AS "minPrice", max(price) AS "maxPrice",
      sum(price)::BIGINT AS "sumPrice", trunc(avg(price))::BIGINT AS "avgPrice" FROM bid GROUP BY auction, ${DAY}`,
  q18: `SELECT auction, bidder, price, channel, url, "dateTime", extra FROM bid
    QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY "dateTime" DESC) = 1`,
  // Of two bids as high, the earlier comes first: the SQL says nothing.
  q19: `SELECT auction, bidder, price, channel, url, "dateTime", extra,
      row_number() OVER (PARTITION BY auction ORDER BY price DESC, "dateTime") AS rank FROM bid QUALIFY rank <= 10`,
  q20: `SELECT b.auction, b.bidder, b.price, b.channel, b.url, b."dateTime" AS "bidDateTime", b.extra AS "bidExtra",
      a.* EXCLUDE (id, "dateTime", extra), a."dateTime" AS "auctionDateTime", a.extra AS "auctionExtra"
    FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10`,
  q22: `SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2,
      split_part(url, '/', 6) AS dir3 FROM bid`,
};

export type Query = keyof typeof ANSWERS;

const COLUMNS = {
  person: 'id emailAddress: name: creditCard: city: state: dateTime extra:',
  auction: 'id itemName: description: initialBid reserve dateTime expires seller category extra:',
  bid: 'auction bidder price channel: url: dateTime extra: processingTime',
};

/** DuckDB with the events as its tables `person`, `auction` and `bid`; times are epoch ms. */
export class Answers {
  readonly #connection: DuckDBConnection;
  readonly #directory: string;

  private constructor(connection: DuckDBConnection, directory: string) {
    this.#connection = connection;
    this.#directory = directory;
  }

  static async over(events: readonly NexmarkEvent[], processingTimes?: readonly number[]): Promise<Answers> {
    const directory = mkdtempSync(path.join(tmpdir(), 'misa-nexmark-'));
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run('SET threads = 1');
    for (const [source, columns] of Object.entries(COLUMNS)) {
      const file = path.join(directory, `${source}.ndjson`);
      const lines = events.flatMap((event, i) =>
        event.source === source ? [JSON.stringify({ ...event.row, processingTime: processingTimes?.[i] ?? 0 })] : [],
      );
      writeFileSync(file, `${lines.join('\n')}\n`);
      const types = columns
        .split(' ')
        .map((name) => (name.endsWith(':') ? `${name.slice(0, -1)}: 'VARCHAR'` : `${name}: 'BIGINT'`));
      await connection.run(
        `CREATE TABLE ${source} AS FROM read_json('${file}', format = 'newline_delimited', columns = {${types.join(', ')}})`,
      );
    }
    return new Answers(connection, directory);
  }

  async to(query: Query): Promise<Record<string, unknown>[]> {
    const reader = await this.#connection.runAndReadAll(
      `SELECT to_json(answer)::VARCHAR FROM (${ANSWERS[query]}) answer`,
    );
    return reader.getRows().map(([text]) => JSON.parse(text as string));
  }

  close(): void {
    this.#connection.closeSync();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
