const TIMEOUT_MS = 5_000;
const LONGEST_STATUS = 16 * 1024 * 1024; // bytes; one line for each open stream
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** What a running gateway said about its configuration; `problem` when it could not be asked. */
export type RunningGateway =
  | { readonly url: string; readonly digest: string }
  | { readonly url: string; readonly problem: string };

/** Asks the admin listener of a gateway which configuration it runs. `url` is its base, e.g. `http://127.0.0.1:9269`. */
export async function askGateway(url: string): Promise<RunningGateway> {
  try {
    const status = new URL('/status', url);
    if (status.protocol !== 'http:' && status.protocol !== 'https:') throw new Error(`expected an http URL`);
    const response = await fetch(status, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const body: unknown = JSON.parse(await readBounded(response));
    const digest = typeof body === 'object' && body !== null && 'digest' in body ? body.digest : undefined;
    if (typeof digest !== 'string' || !DIGEST.test(digest)) throw new Error('its answer has no digest');
    return { url, digest };
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    const cause = reason.cause instanceof Error ? `: ${reason.cause.message}` : '';
    return { url, problem: `${reason.message}${cause}` };
  }
}

/** As printed with `--json`; `runsThis` is null when the gateway could not be asked. */
export function gatewayJson(gateway: RunningGateway, digest: string): object {
  return { ...gateway, runsThis: 'digest' in gateway ? gateway.digest === digest : null };
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > LONGEST_STATUS) throw new Error('its answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
