import type { ArrivalLog } from './arrivals.ts';
import { MARK, NUMBER_DIGITS, readDigits } from './numbered.ts';
import type { OpenStream } from './raw-stream.ts';

const BODY = Buffer.from(`<body>${MARK}`);
const ERROR = /type=['"]error['"]|<stream:error/;
const SAMPLE_BYTES = 400;

/** Notes every numbered body on an XML stream: one search and one comparison per message, no parser. */
export function noteBodies(stream: OpenStream, tail: string, log: ArrivalLog): void {
  const expectedTail = Buffer.from(tail);
  const length = BODY.length + NUMBER_DIGITS + expectedTail.length;
  let rest: Buffer = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let done = 0;
    for (;;) {
      const start = bytes.indexOf(BODY, done);
      if (start < 0) {
        rest = bytes.subarray(Math.max(done, bytes.length - BODY.length + 1));
        break;
      }
      if (start + length > bytes.length) {
        rest = bytes.subarray(start);
        break;
      }
      const digits = start + BODY.length;
      const end = start + length;
      const isIntact = bytes.compare(expectedTail, 0, expectedTail.length, digits + NUMBER_DIGITS, end) === 0;
      log.note(readDigits(bytes, digits), isIntact, () => bytes.toString('utf8', done, done + SAMPLE_BYTES));
      done = end;
    }
  };
  read(stream.rest);
  stream.socket.on('data', read);
}

/** On a stream that only sends: whatever looks like an error is a stray. */
export function noteErrors({ socket }: OpenStream, log: ArrivalLog): void {
  socket.on('data', (chunk: Buffer) => {
    const text = chunk.toString('latin1');
    if (ERROR.test(text)) log.stray(() => text.slice(0, SAMPLE_BYTES));
  });
}
