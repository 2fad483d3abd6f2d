import { readFile, writeFile } from 'node:fs/promises';
import { extname, isAbsolute, join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Result } from '../config/index.ts';
import {
  type Approval,
  type ApprovalFacts,
  judgeApproval,
  type ReviewPolicy,
  readApprovals,
  readReviewPolicy,
} from '../review/approvals.ts';
import { readGithubReviews } from '../review/github-reviews.ts';
import { renderMarkdown } from '../review/markdown.ts';
import { RISKS, type Risk } from '../review/rating.ts';
import { type ReviewedEnvironment, renderJson } from '../review/report.ts';
import { type ReviewOptions as ReviewDetails, reviewFederation } from '../review/review.ts';
import { renderSarif } from '../review/sarif.ts';
import { compareTerraformCode, readTerraformCode } from '../review/terraform-code.ts';
import { readTerraformPlan, type TerraformPlan } from '../review/terraform-plan.ts';
import { renderText } from '../review/text.ts';
import { readCommittedFile } from './git-revision.ts';
import { InputProblem } from './input-problem.ts';
import { type FederationPair, pairFederations } from './review-pairs.ts';
import { type ReviewSource, readSource, valid } from './review-source.ts';
import { coloured, processTerminal, type Terminal } from './terminal.ts';

const FORMATS = ['text', 'markdown', 'json', 'sarif'] as const;
type Format = (typeof FORMATS)[number];

const FORMAT_OF_ENDING: Readonly<Record<string, Format>> = {
  '.txt': 'text',
  '.md': 'markdown',
  '.json': 'json',
  '.sarif': 'sarif',
};

export interface ReviewOptions {
  readonly base: string;
  readonly head: string;
  readonly environment?: string;
  /** Each `FILE`, or `NAME=FILE` where several environments are reviewed. */
  readonly plan?: readonly string[];
  readonly policy?: string;
  readonly approvals?: string;
  /** Reviews of a pull request, as GitHub lists them. */
  readonly githubReviews?: string;
  readonly author?: string;
  readonly format?: Format;
  readonly output?: readonly string[];
  readonly commentKey?: string;
  readonly failOn?: Risk | 'never';
}

export interface ReviewWorld {
  readonly terminal: Terminal;
  readonly cwd: string;
  readonly signal?: AbortSignal;
}

/** `xmpp-federation review`: who can newly reach whom, and how strongly it is proved. */
export function reviewCommand(): Command {
  const append = (value: string, before: readonly string[] = []) => [...before, value];
  return new Command('review')
    .description('say what a change means: who can newly reach whom, and how strongly it is proved')
    .requiredOption(
      '--base <source>',
      'what is there now: a federation.json, a folder of stacks, an app, a git revision',
    )
    .option('--head <source>', 'what it shall become, likewise', '.')
    .option('--environment <name>', 'only this environment')
    .option('--plan <[name=]file>', 'JSON of a saved Terraform plan (terraform show -json); repeatable', append)
    .option('--policy <file>', 'who must approve what; with a revision as base, the file as it is there')
    .option('--approvals <file>', 'JSON list of {"by", "digest"}')
    .option('--github-reviews <file>', 'approvals from the reviews of a pull request, as GitHub lists them')
    .option('--author <name>', 'who made the change, and so cannot approve it')
    .addOption(new Option('--format <format>', 'what is printed').choices(FORMATS).default('text'))
    .option(
      '--output <file>',
      'write a report too, in the format of its ending (.md, .json, .sarif, .txt); repeatable',
      append,
    )
    .option('--comment-key <key>', 'tells comments of several reviews in one pull request apart')
    .addOption(
      new Option('--fail-on <risk>', 'risk that needs an approval where the policy asks for none').choices([
        ...RISKS,
        'never',
      ]),
    )
    .addHelpText('after', '\nExit status: 0 when nothing needs an approval, 2 when something does, 1 on errors.')
    .action(async (options: ReviewOptions) => {
      const interruption = new AbortController();
      const interrupt = () => interruption.abort();
      process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
      const world = { terminal: processTerminal(), cwd: process.cwd(), signal: interruption.signal };
      process.exitCode = await runReview(options, world);
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    });
}

/** Returns the exit status: 0 nothing to approve or approved, 2 approvals are missing, 1 the review could not be made. */
export async function runReview(options: ReviewOptions, world: ReviewWorld): Promise<0 | 1 | 2> {
  try {
    const environments = await reviewAll(options, world);
    await writeReports(environments, options, world);
    return environments.some(({ approval }) => approval.outcome === 'needed') ? 2 : 0;
  } catch (error) {
    if (!(error instanceof InputProblem)) throw error;
    world.terminal.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function reviewAll(options: ReviewOptions, world: ReviewWorld): Promise<readonly ReviewedEnvironment[]> {
  // Before any app has run, which might change them.
  const approvals = await readAllApprovals(options, world);
  const [base, head] = await readSides(options, world);
  const pairs = pairFederations(base, head, options.environment);
  const plans = await readPlans(options, pairs, world);
  const approvalFacts = await readApprovalFacts(options, approvals, base, world);
  return pairs.map((pair) => {
    const review = reviewFederation(
      { label: base.label, ...(pair.base === undefined ? {} : { config: pair.base.config }) },
      { label: head.label, ...(pair.head === undefined ? {} : { config: pair.head.config }) },
      {
        name: pair.name,
        ...terraformOf(pair, plans.get(pair.name), world),
        ...(approvalFacts.policy === undefined ? {} : { thresholds: approvalFacts.policy.thresholds }),
      },
    );
    return { review, approval: judgeApproval(review, approvalFacts) };
  });
}

// Both at once: synthesis takes seconds. Neither is left running, nor its worktree behind, when the other fails.
async function readSides(options: ReviewOptions, world: ReviewWorld): Promise<readonly [ReviewSource, ReviewSource]> {
  const results = await Promise.allSettled([readSource(options.base, world), readSource(options.head, world)]);
  const [base, head] = results;
  if (base.status === 'rejected') throw base.reason;
  if (head.status === 'rejected') throw head.reason;
  return [base.value, head.value];
}

function terraformOf(
  { base, head }: FederationPair,
  plan: TerraformPlan | undefined,
  { terminal }: ReviewWorld,
): Pick<ReviewDetails, 'terraform'> {
  if (plan !== undefined) return { terraform: plan };
  // Without code on a side that exists nothing can be said about resources.
  if ((base !== undefined && base.code === undefined) || (head !== undefined && head.code === undefined)) return {};
  const [before, after] = [base, head].map((side) =>
    side?.code === undefined ? new Map() : valid(readTerraformCode(side.code), `${side.stack}/cdk.tf.json`, terminal),
  );
  if (before === undefined || after === undefined) return {};
  return { terraform: { resources: compareTerraformCode(before, after) } };
}

async function readPlans(
  { plan = [] }: ReviewOptions,
  pairs: readonly FederationPair[],
  world: ReviewWorld,
): Promise<ReadonlyMap<string, TerraformPlan>> {
  const names = pairs.map(({ name }) => name);
  const plans = new Map<string, TerraformPlan>();
  for (const text of plan) {
    const prefix = names.find((name) => text.startsWith(`${name}=`));
    const [only, ...others] = names;
    const name = prefix ?? (others.length === 0 ? only : undefined);
    if (name === undefined) {
      throw new InputProblem(`--plan: expected NAME=FILE with one of ${names.join(', ')}, got ${JSON.stringify(text)}`);
    }
    const file = prefix === undefined ? text : text.slice(prefix.length + 1);
    plans.set(name, valid(readTerraformPlan(await readText(file, world)), file, world.terminal));
  }
  return plans;
}

async function readAllApprovals(
  { approvals, githubReviews }: ReviewOptions,
  world: ReviewWorld,
): Promise<readonly Approval[]> {
  return [
    ...(approvals === undefined ? [] : await readApprovalFile(approvals, readApprovals, world)),
    ...(githubReviews === undefined ? [] : await readApprovalFile(githubReviews, readGithubReviews, world)),
  ];
}

async function readApprovalFacts(
  { policy, author, failOn }: ReviewOptions,
  approvals: readonly Approval[],
  base: ReviewSource,
  world: ReviewWorld,
): Promise<ApprovalFacts> {
  return {
    approvals,
    ...(policy === undefined ? {} : { policy: await readPolicy(policy, base, world) }),
    ...(author === undefined ? {} : { author }),
    ...(failOn === undefined ? {} : { failOn }),
  };
}

// A change must not be able to lower its own hurdle: the policy is that of the base.
async function readPolicy(file: string, { revision }: ReviewSource, world: ReviewWorld): Promise<ReviewPolicy> {
  if (revision === undefined) return valid(readReviewPolicy(await readText(file, world)), file, world.terminal);
  const path = isAbsolute(file) ? relative(join(revision.root, revision.prefix), file) : file;
  const text = await readCommittedFile(revision, path);
  if (text === undefined) {
    throw new InputProblem(
      `--policy: expected ${file} in ${revision.name}, found none; a policy counts once it is in the base`,
    );
  }
  return valid(readReviewPolicy(text), `${file} in ${revision.name}`, world.terminal);
}

async function readApprovalFile(
  file: string,
  read: (json: string) => Result<readonly Approval[]>,
  world: ReviewWorld,
): Promise<readonly Approval[]> {
  return valid(read(await readText(file, world)), file, world.terminal);
}

async function readText(file: string, { cwd }: ReviewWorld): Promise<string> {
  try {
    return await readFile(resolve(cwd, file), 'utf8');
  } catch (error) {
    throw new InputProblem(`expected a readable file, got ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function writeReports(
  environments: readonly ReviewedEnvironment[],
  options: ReviewOptions,
  { terminal, cwd }: ReviewWorld,
): Promise<void> {
  const { format = 'text', output = [] } = options;
  terminal.stdout.write(render(format, environments, options, terminal));
  const plain: Terminal = { ...terminal, hasColour: false };
  for (const file of output) {
    const text = render(FORMAT_OF_ENDING[extname(file).toLowerCase()] ?? format, environments, options, plain);
    try {
      await writeFile(resolve(cwd, file), text);
    } catch (error) {
      throw new InputProblem(
        `--output: expected a file that can be written, got ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}

function render(
  format: Format,
  environments: readonly ReviewedEnvironment[],
  options: ReviewOptions,
  terminal: Terminal,
): string {
  switch (format) {
    case 'text':
      return renderText(environments, (colour, text) => coloured(terminal, colour, text));
    case 'markdown':
      return renderMarkdown(environments, options.commentKey ?? options.environment ?? '*');
    case 'json':
      return renderJson(environments);
    case 'sarif':
      return renderSarif(environments, artifactOf(options.head));
  }
}

// Code scanning wants a file of the repository: the one reviewed, or the one that names the app.
function artifactOf(head: string): string {
  return head.endsWith('.json') && !isAbsolute(head) ? head.replaceAll('\\', '/').replace(/^\.\//, '') : 'cdktf.json';
}
