import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../config/canonical.ts';
import { DIRECTIONS, RISKS } from './rating.ts';

// The review is defined once, here: its types, and the published schema of the JSON that is written.

const count = z.int().min(0);

/** So many of something, and the first of them by name: a review of a million users stays readable. */
const sampled = z
  .strictObject({ count, samples: z.array(z.string()).readonly().describe('The first of them in order; at most 20.') })
  .readonly();
export type Sampled = z.output<typeof sampled>;

const rating = {
  id: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .describe('The same change has the same id in every review.'),
  rule: z.string().describe('The rule that rated it: a row of the table in docs/review.md.'),
  risk: z.enum(RISKS),
  direction: z.enum(DIRECTIONS).describe('Whether more may pass than before, less, or neither.'),
  reason: z.string().describe('Why the rule rates it so.'),
};

export const SUBJECT_KINDS = [
  'federation',
  'edge',
  'gateway',
  'domain',
  'partner',
  'partner-domain',
  'policy',
  'site',
  'grant',
  'sip',
  'next-hop',
] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

const optionChange = z
  .strictObject({
    ...rating,
    subject: z.strictObject({ kind: z.enum(SUBJECT_KINDS), name: z.string() }).readonly(),
    kind: z.enum(['added', 'removed', 'changed', 'renamed', 'moved']),
    option: z.string().describe('Name of the option; empty for a whole entry.'),
    path: z.string().describe('Where it is, by name: `xmppAllowedPartners[fabrikam.com].tlsNegotiation`.'),
    before: z.unknown().optional().describe('Value before; left out when there was none, and for lists.'),
    after: z.unknown().optional().describe('Value after; left out when there is none, and for lists.'),
    removed: sampled.optional().describe('What a list lost.'),
    added: sampled.optional().describe('What a list gained.'),
  })
  .readonly();
export type OptionChange = z.output<typeof optionChange>;

const reach = z
  .strictObject({
    users: sampled.describe('Users known by address.'),
    patterns: sampled.describe('Everybody else whose address begins so.'),
    restOf: sampled.describe('Domains of which everybody else is meant.'),
    policies: sampled.describe('Policies that allow it, or did.'),
  })
  .readonly();
export type UserReach = z.output<typeof reach>;

const exposure = z
  .strictObject({
    ...rating,
    kind: z
      .enum(['stream', 'stanza', 'notes'])
      .describe('What was asked: whether a stream is admitted, a stanza may pass, or presence notes may be read.'),
    change: z.enum(['opened', 'closed']).describe('Refused before and allowed now, or the other way round.'),
    traffic: z.enum(['inbound', 'outbound', 'both']).describe('Inbound is from the partner.'),
    standing: z
      .enum(['kept', 'new', 'gone'])
      .describe('Whether the domains belong to a partner before and after, or only after, or only before.'),
    partners: sampled.describe('Partners by primary domain.'),
    remoteDomains: sampled.describe('Domains of these partners.'),
    localDomains: sampled.optional().describe('Our domains; of streams.'),
    method: z.string().optional().describe('How the stream proves the domain.'),
    certificate: z.enum(['valid', 'invalid', 'either']).optional().describe('State of the certificate of the stream.'),
    kinds: z.array(z.string()).readonly().optional().describe('Kinds of stanza.'),
    contact: z
      .enum(['listed', 'unlisted', 'either'])
      .optional()
      .describe('Whether our user has the contact on the list.'),
    reach: reach.optional().describe('Which of our users; of stanzas and notes.'),
    sentence: z.string().describe('The same in words.'),
  })
  .readonly();
export type Exposure = z.output<typeof exposure>;

export const RESOURCE_ACTIONS = [
  'created',
  'changed',
  'replaced',
  'destroyed',
  'forgotten',
  'imported',
  'moved',
  'drifted',
] as const;
export type ResourceAction = (typeof RESOURCE_ACTIONS)[number];

const attributeChange = z
  .strictObject({
    name: z.string(),
    state: z
      .enum(['shown', 'hidden', 'sensitive', 'unknown'])
      .describe('Values are given only when shown: secrets never are, and unknown ones are known after apply only.'),
    before: z.string().optional(),
    after: z.string().optional(),
    replaces: z.boolean().optional().describe('Whether it forces the replacement.'),
  })
  .readonly();
export type AttributeChange = z.output<typeof attributeChange>;

const resourceChange = z
  .strictObject({
    ...rating,
    address: z.string(),
    type: z.string(),
    action: z.enum(RESOURCE_ACTIONS),
    previousAddress: z.string().optional(),
    attributes: z.array(attributeChange).readonly(),
  })
  .readonly();
export type ResourceChange = z.output<typeof resourceChange>;

const blastRadius = z
  .strictObject({
    partners: z.strictObject({ before: count, after: count, added: count, removed: count, changed: count }).readonly(),
    users: z
      .strictObject({
        known: count.describe('Users named by address, before or after.'),
        gaining: count.describe('Those for whom something opened, with partners that were there and still are.'),
        losing: count.describe('Those for whom something closed, with partners that were there and still are.'),
        openEnded: z
          .enum(['none', 'gaining', 'losing', 'both'])
          .describe('Whether users beyond the known ones gain or lose: those of a pattern or of a whole domain.'),
      })
      .readonly(),
    alarms: z
      .array(z.strictObject({ ...rating, sentence: z.string() }).readonly())
      .readonly()
      .describe('What is alarming about the change as a whole.'),
  })
  .readonly();
export type BlastRadius = z.output<typeof blastRadius>;
export type Alarm = BlastRadius['alarms'][number];

const side = z
  .strictObject({
    label: z.string().describe('What was read: a file, a folder, a revision.'),
    digest: z.string().nullable().describe('Digest of the configuration; null when there is none on this side.'),
  })
  .readonly();
export type ReviewSide = z.output<typeof side>;

export const reviewSchema = z
  .strictObject({
    environment: z.string(),
    name: z.string().describe('The environment, or the stack where several share one.'),
    base: side,
    head: side,
    digest: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/)
      .describe('Identity of the review, to which approvals are bound: of both configurations and of all it says.'),
    isEmpty: z.boolean().describe('Whether nothing at all changed.'),
    risk: z.enum(RISKS).describe('The highest of all.'),
    direction: z.enum([...DIRECTIONS, 'mixed']),
    exposures: z.array(exposure).readonly().describe('Verdicts of the policy that changed, riskiest first.'),
    options: z.array(optionChange).readonly().describe('Options that changed, in order of their path.'),
    resources: z.array(resourceChange).readonly().describe('Resources that Terraform would change, riskiest first.'),
    resourceSource: z
      .enum(['plan', 'synthesis', 'none'])
      .describe('Whether resources come from a Terraform plan or from comparing the synthesized code.'),
    blastRadius,
  })
  .readonly();
export type Review = z.output<typeof reviewSchema>;

/** A short id made of facts that stay the same when the change is seen again. */
export function changeId(...facts: readonly unknown[]): string {
  return createHash('sha256').update(canonicalJson(facts)).digest('hex').slice(0, 16);
}

/** `sha256:` and the digest of a value's canonical JSON. */
export function digestOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;
}
