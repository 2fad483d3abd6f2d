import type { Terminal } from '../../src/cli/terminal.ts';

/** A terminal that keeps what is written to it. */
export interface RecordedTerminal extends Terminal {
  readonly out: () => string;
  readonly err: () => string;
}

export function recordedTerminal(
  options: { readonly stdin?: string; readonly hasColour?: boolean } = {},
): RecordedTerminal {
  const out: string[] = [];
  const err: string[] = [];
  return {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    hasColour: options.hasColour ?? false,
    readStdin: async () => options.stdin ?? '',
    out: () => out.join(''),
    err: () => err.join(''),
  };
}
