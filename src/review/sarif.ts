import type { Exposure, OptionChange, ResourceChange, Review } from './model.ts';
import { printable } from './printable.ts';
import type { Rating, Risk } from './rating.ts';
import type { ReviewedEnvironment } from './report.ts';
import { resourceText } from './resource-lines.ts';
import { RULES } from './rules.ts';

/** Code scanning shows at most 5 000 results of a run. */
const MAX_RESULTS = 5_000;

interface SarifResult {
  readonly ruleId: string;
  readonly level: 'error' | 'warning' | 'note' | 'none';
  readonly message: { readonly text: string };
  readonly locations: readonly object[];
  readonly partialFingerprints: Readonly<Record<string, string>>;
  readonly properties: object;
}

/**
 * SARIF 2.1.0 for tools that show findings beside the code. `artifact` is the path, relative to the repository, of the
 * file that results are shown at. Of very many changes the riskiest are kept.
 */
export function renderSarif(environments: readonly ReviewedEnvironment[], artifact: string): string {
  const rules = [...new Map(RULES.flatMap((group) => group.rules).map((rule) => [rule.id, rule])).values()];
  const results = environments.flatMap(({ review }) => resultsOf(review, artifact)).sort(bySeverity);
  const kept = results.slice(0, MAX_RESULTS);
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'xmpp-federation review',
            rules: rules.map(({ id, risk, direction, reason }) => ({
              id,
              shortDescription: { text: reason },
              defaultConfiguration: { level: LEVELS[risk] },
              properties: { tags: ['security', direction], 'security-severity': SEVERITIES[risk] },
            })),
          },
        },
        automationDetails: { id: 'xmpp-federation-review/' },
        results: kept,
        properties: { resultsLeftOut: results.length - kept.length },
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function resultsOf(review: Review, artifact: string): readonly SarifResult[] {
  const result = (rating: Rating & { readonly id: string }, text: string, name: string): SarifResult => ({
    ruleId: rating.rule,
    level: LEVELS[rating.risk],
    message: { text: printable(`${review.name}: ${text}. ${rating.reason}`) },
    locations: [
      {
        physicalLocation: { artifactLocation: { uri: artifact }, region: { startLine: 1 } },
        logicalLocations: [{ fullyQualifiedName: name }],
      },
    ],
    partialFingerprints: { 'changeId/v1': `${review.name}/${rating.id}` },
    properties: { risk: rating.risk, direction: rating.direction, environment: review.environment },
  });
  return [
    ...review.blastRadius.alarms.map((alarm) => result(alarm, alarm.sentence.replace(/\.$/, ''), review.name)),
    ...review.exposures.map((exposure: Exposure) =>
      result(exposure, exposure.sentence, exposure.sentence.split(':')[0] ?? ''),
    ),
    ...review.options.map((change: OptionChange) => result(change, optionText(change), change.path)),
    ...review.resources.map((change: ResourceChange) =>
      result(change, `${change.address}: ${resourceText(change)}`, change.address),
    ),
  ];
}

function optionText({ path, kind, before, after, added, removed }: OptionChange): string {
  const lists = [
    ...(removed === undefined || removed.count === 0 ? [] : [`${removed.count} removed`]),
    ...(added === undefined || added.count === 0 ? [] : [`${added.count} added`]),
  ];
  const values =
    typeof before === 'object' || typeof after === 'object'
      ? []
      : [before, after].filter((value) => value !== undefined);
  const detail = lists.length > 0 ? lists.join(', ') : values.map((value) => JSON.stringify(value)).join(' to ');
  return `${path === '' ? 'the environment' : path} ${kind}${detail === '' ? '' : ` (${detail})`}`;
}

function bySeverity(a: SarifResult, b: SarifResult): number {
  return ORDER.indexOf(a.level) - ORDER.indexOf(b.level);
}

const ORDER: readonly SarifResult['level'][] = ['error', 'warning', 'note', 'none'];

const LEVELS: Readonly<Record<Risk, SarifResult['level']>> = {
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  none: 'none',
};

const SEVERITIES: Readonly<Record<Risk, string>> = {
  critical: '9.5',
  high: '8.0',
  medium: '5.0',
  low: '2.0',
  none: '0.0',
};
