import { styleText } from 'node:util';

/** Where a command writes; a test passes its own. */
export interface Writer {
  write(text: string): unknown;
}

/** What a command has of the world besides its options. */
export interface Terminal {
  readonly stdout: Writer;
  readonly stderr: Writer;
  readonly hasColour: boolean;
  /** The whole of standard input as UTF-8. */
  readStdin(): Promise<string>;
}

/** The terminal of this process. Colours only for people, and not for those who set NO_COLOR (no-color.org). */
export function processTerminal(): Terminal {
  const noColour = process.env.NO_COLOR;
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    hasColour: process.stdout.isTTY === true && (noColour === undefined || noColour === ''),
    readStdin: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}

/** `text` in a colour, on a terminal that has any. */
export function coloured(terminal: Terminal, colour: 'red' | 'green' | 'yellow' | 'dim', text: string): string {
  // Whether there is colour is decided already; styleText would ask the real standard output again.
  return terminal.hasColour ? styleText(colour, text, { validateStream: false }) : text;
}
