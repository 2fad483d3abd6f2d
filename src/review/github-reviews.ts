import { z } from 'zod';
import { errorAt, type Result } from '../config/finding.ts';
import type { Approval } from './approvals.ts';

const review = z.object({
  user: z.object({ login: z.string() }).nullable(),
  state: z.string(),
  body: z.string().nullable(),
});

// `gh api --paginate --slurp` gives a list of pages.
const reviews = z.union([z.array(review), z.array(z.array(review)).transform((pages) => pages.flat())]);

const APPROVAL = /\bapprove (sha256:[0-9a-f]{64})\b/g;

/**
 * Approvals in the reviews of a pull request, as GitHub's REST API lists them, oldest first. Only the last word of each
 * reviewer counts: an approval with `approve sha256:...` in its text, for each digest in it. Who comments later keeps
 * the approval; who asks for changes, or is dismissed, has none.
 */
export function readGithubReviews(json: string): Result<readonly Approval[]> {
  let input: unknown;
  try {
    input = JSON.parse(json);
  } catch {
    return failed('expected JSON, got something else');
  }
  const parsed = reviews.safeParse(input);
  if (!parsed.success) return failed('expected the reviews of a pull request, as GitHub lists them');
  const last = new Map<string, z.output<typeof review>>();
  for (const entry of parsed.data) {
    if (entry.user !== null && entry.state !== 'COMMENTED' && entry.state !== 'PENDING')
      last.set(entry.user.login, entry);
  }
  const approvals = Array.from(last, ([by, { state, body }]): readonly Approval[] => {
    if (state !== 'APPROVED') return [];
    return Array.from((body ?? '').matchAll(APPROVAL), ([, digest = '']) => ({ by, digest }));
  });
  return { ok: true, value: approvals.flat() };
}

function failed(message: string): Result<readonly Approval[]> {
  return { ok: false, errors: [errorAt('', 'github-reviews', message)] };
}
