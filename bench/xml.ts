/**
 * What reading a stream costs: bytes in, namespace-resolved trees out, for our parser and for saxes building the same
 * trees, in process, both fed the same chunks in turns.
 *
 *   node --import tsx bench/xml.ts [rounds]
 *
 * A cell is thousands of stanzas per CPU second (user and system, all threads, so the collector is included), the
 * median of the rounds with the lowest and the highest.
 *
 * How to misread it:
 * - Columns are not a ranking of libraries. saxes does more (any XML, positions, errors with context) and here also
 *   pays for a TextDecoder and for a tree built outside of it, as a user would.
 * - Wall time and other work on the machine move single figures by 10 to 40 %. Trust ratios within one run.
 * - The trees are dropped at once. A gateway that keeps them pays the collector more.
 * - `chat` is kind to any parser: ASCII, no references. `mixed` has CDATA, references, several scripts and prefixes.
 */
import { type ParserLimits, StreamParser } from '../src/runtime/xmpp/stream-parser.ts';
import { saxesStream } from '../test/support/saxes-tree.ts';

const LIMITS: ParserLimits = {
  maxElementBytes: 65_536,
  maxHeaderBytes: 4096,
  maxDepth: 32,
  maxAttributes: 32,
  maxChildren: 1000,
  maxNameBytes: 256,
};

const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' " +
  "xmlns:db='jabber:server:dialback' from='partner.example' to='corp.example' version='1.0'>";

function chat(i: number): string {
  return (
    `<message from='user${i % 997}@partner.example/phone-${i % 7}' to='alice${i % 89}@corp.example' type='chat' ` +
    `id='m${(i * 2_654_435_761) >>> 0}'><body>Message ${i}: are we still meeting at noon, at the usual place?</body>` +
    "<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>"
  );
}

function mixed(i: number): string {
  const from = `user${i % 997}@partner.example`;
  const to = `alice${i % 89}@corp.example`;
  switch (i % 20) {
    case 3:
      return `<message from='${from}/a' to='${to}' type='chat'><body>5 &lt; 6 &amp;&#x20;7 &gt; 6, isn&apos;t it?</body></message>`;
    case 7:
      return `<message from='${from}/a' to='${to}' type='chat' xml:lang='el'><body>Καλημέρα, 今日は 👋 ${i}</body></message>`;
    case 11:
      return `<message from='${from}/a' to='${to}'><body><![CDATA[if (a < b && b > c) return ${i};]]></body></message>`;
    case 2:
    case 5:
    case 12:
    case 17:
      return (
        `<presence from='${from}/phone' to='${to}'><show>away</show><status>On the train</status><priority>5</priority>` +
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>"
      );
    case 19:
      return `<iq from='${from}/a' to='${to}' type='get' id='q${i}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`;
    case 9:
      return `<db:verify from='partner.example' to='corp.example' id='s${i}'>${'37c69b1cf07a3f67'.repeat(4)}</db:verify>`;
    default:
      return chat(i);
  }
}

interface Corpus {
  readonly name: string;
  readonly stanzas: number;
  readonly bytes: Buffer;
}

function corpus(name: string, stanza: (i: number) => string, stanzas: number): Corpus {
  let text = HEADER;
  for (let i = 0; i < stanzas; i++) text += stanza(i);
  return { name, stanzas, bytes: Buffer.from(text) };
}

function* chunksOf(bytes: Buffer, size: number): Generator<Buffer> {
  for (let p = 0; p < bytes.length; p += size) yield bytes.subarray(p, p + size);
}

function readOurs(chunks: readonly Buffer[]): number {
  let count = 0;
  const parser = new StreamParser(
    {
      onHeader: () => undefined,
      onElement: () => {
        count += 1;
      },
      onEnd: () => undefined,
      onBroken: (condition, text) => {
        throw new Error(`${condition}: ${text}`);
      },
    },
    LIMITS,
  );
  for (const chunk of chunks) parser.write(chunk);
  return count;
}

function readSaxes(chunks: readonly Buffer[]): number {
  let count = 0;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const stream = saxesStream(() => {
    count += 1;
  });
  for (const chunk of chunks) stream.write(decoder.decode(chunk, { stream: true }));
  return count;
}

const READERS = { ours: readOurs, saxes: readSaxes } as const;

function perCpuSecond(read: (chunks: readonly Buffer[]) => number, chunks: readonly Buffer[], stanzas: number): number {
  const before = process.cpuUsage();
  const count = read(chunks);
  const used = process.cpuUsage(before);
  if (count !== stanzas) throw new Error(`expected ${stanzas} stanzas, got ${count}`);
  return stanzas / ((used.user + used.system) / 1e6);
}

function summary(figures: readonly number[]): string {
  const sorted = figures.toSorted((a, b) => a - b).map((figure) => Math.round(figure / 1000));
  return `${sorted[sorted.length >> 1]} (${sorted[0]}..${sorted[sorted.length - 1]})`;
}

const rounds = Number(process.argv[2] ?? 7);
const results: Record<string, Record<string, string>> = {};
for (const { name, stanzas, bytes } of [corpus('chat', chat, 100_000), corpus('mixed', mixed, 100_000)]) {
  for (const size of [65_536, 1400]) {
    const chunks = [...chunksOf(bytes, size)];
    const figures: Record<string, number[]> = { ours: [], saxes: [] };
    for (let round = -1; round < rounds; round++) {
      for (const [reader, read] of Object.entries(READERS)) {
        const figure = perCpuSecond(read, chunks, stanzas);
        // The first round only warms up.
        if (round >= 0) figures[reader]?.push(figure);
      }
    }
    const row: Record<string, string> = { 'bytes each': (bytes.length / stanzas).toFixed(0) };
    for (const [reader, list] of Object.entries(figures)) row[reader] = summary(list);
    results[`${name}, chunks of ${size}`] = row;
  }
}
console.table(results);
