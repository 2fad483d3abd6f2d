import type { FederationConfig, FederationConfigProps } from '../../src/config/index.ts';
import { type ApprovalFacts, judgeApproval } from '../../src/review/approvals.ts';
import type { ReviewedEnvironment } from '../../src/review/report.ts';
import { type ReviewOptions, reviewFederation } from '../../src/review/review.ts';
import { readTerraformPlan } from '../../src/review/terraform-plan.ts';
import { parsed } from './federations.ts';
import { samplePlan } from './terraform-plans.ts';

/** A change such as people make, whose review is kept under test/golden/review. */
export interface ReviewScenario {
  readonly name: string;
  readonly base: FederationConfig | undefined;
  readonly head: FederationConfig | undefined;
  readonly options?: ReviewOptions;
  readonly approval?: ApprovalFacts;
}

type Partner = NonNullable<FederationConfigProps['xmppAllowedPartners']>[number];

const FABRIKAM: Partner = {
  domain: 'fabrikam.com',
  additionalDomains: ['corp.fabrikam.com'],
  description: 'Supplier of parts.',
  partnerType: 'Federated',
  supportDialbackNegotiation: false,
};
const ADATUM: Partner = { domain: 'adatum.com', partnerType: 'Federated', saslNegotiation: 'Optional' };
const WINGTIP: Partner = {
  domain: 'wingtiptoys.com',
  saslNegotiation: 'Optional',
  supportDialbackNegotiation: false,
  allowedStanzaKinds: ['message', 'presence'],
};
const SALES = Array.from({ length: 1240 }, (_, i) => `seller${i}@contoso.com`);
const MANY: readonly Partner[] = Array.from({ length: 40 }, (_, i) => ({
  domain: `partner${10 + i}.example`,
  supportDialbackNegotiation: false,
}));

const PROPS: FederationConfigProps = {
  version: 1,
  environment: 'prod',
  domains: [{ domain: 'contoso.com' }],
  accessEdgeConfiguration: { allowFederatedUsers: true },
  xmppAllowedPartners: [FABRIKAM, ADATUM, WINGTIP],
  externalAccessPolicies: [
    { identity: 'global' },
    { identity: 'Sales', enableFederationAccess: true, enableXmppAccess: true },
    { identity: 'site:Redmond', enableFederationAccess: true, enableXmppAccess: true },
  ],
  sites: [{ name: 'Redmond', users: ['rd-*@contoso.com'] }],
  grants: [{ policyName: 'Sales', users: SALES }],
  sip: { nextHops: [{ fqdn: 'pool01.contoso.com' }], trustedTlsNames: ['pool01.contoso.com'] },
};

const BASE = parsed(PROPS);

function changed(changes: Partial<FederationConfigProps>): FederationConfig {
  return parsed({ ...PROPS, ...changes });
}

function partners(...list: readonly Partner[]): FederationConfig {
  return changed({ xmppAllowedPartners: [...list] });
}

export const REVIEW_SCENARIOS: readonly ReviewScenario[] = [
  { name: 'nothing', base: BASE, head: BASE },
  { name: 'added-partner', base: partners(ADATUM, WINGTIP), head: BASE },
  {
    name: 'weakened-tls',
    base: BASE,
    head: partners(FABRIKAM, { ...ADATUM, tlsNegotiation: 'NotSupported' }, WINGTIP),
  },
  {
    name: 'dialback-off',
    base: BASE,
    head: partners(FABRIKAM, { ...ADATUM, supportDialbackNegotiation: false }, WINGTIP),
  },
  // Somebody meant sales*@contoso.com.
  {
    name: 'whole-domain',
    base: BASE,
    head: changed({ grants: [{ policyName: 'Sales', users: [...SALES, '*@contoso.com'] }] }),
  },
  {
    name: 'mass-deletion',
    base: changed({ xmppAllowedPartners: [FABRIKAM, ...MANY] }),
    head: partners(FABRIKAM),
  },
  { name: 'partner-type', base: BASE, head: partners(FABRIKAM, ADATUM, { ...WINGTIP, partnerType: 'PublicVerified' }) },
  {
    name: 'limits',
    base: BASE,
    head: changed({
      xmppGatewayConfiguration: { connectionLimit: 2000, maximumStanzaSize: 10_000 },
      xmppAllowedPartners: [{ ...FABRIKAM, connectionLimit: 4 }, ADATUM, { ...WINGTIP, messageRateLimit: 50 }],
    }),
  },
  {
    name: 'rename',
    base: BASE,
    head: partners({ ...FABRIKAM, domain: 'corp.fabrikam.com', additionalDomains: ['fabrikam.com'] }, ADATUM, WINGTIP),
  },
  {
    name: 'moved-domain',
    base: BASE,
    head: partners(
      { ...FABRIKAM, additionalDomains: [] },
      { ...ADATUM, additionalDomains: ['corp.fabrikam.com'] },
      WINGTIP,
    ),
  },
  { name: 'new-environment', base: undefined, head: BASE },
  {
    name: 'terraform-plan',
    base: BASE,
    head: BASE,
    options: { terraform: planOf(samplePlan()) },
    approval: {
      policy: {
        version: 1,
        groups: { operations: ['pat', 'kim'] },
        requirements: [
          {
            environments: ['prod'],
            risk: 'high',
            directions: ['broadening', 'narrowing', 'neutral'],
            approvers: ['operations'],
            count: 2,
          },
        ],
        thresholds: { partnerShare: 0.3, userShare: 0.3, smallest: 10 },
      },
      approvals: [{ by: 'pat', digest: `sha256:${'0'.repeat(64)}` }],
    },
  },
];

function planOf(json: string) {
  const result = readTerraformPlan(json);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.value;
}

export function reviewed({ name, base, head, options, approval = {} }: ReviewScenario): ReviewedEnvironment {
  const review = reviewFederation(
    { label: `${name}/base.json`, ...(base === undefined ? {} : { config: base }) },
    { label: `${name}/head.json`, ...(head === undefined ? {} : { config: head }) },
    options,
  );
  return { review, approval: judgeApproval(review, approval) };
}
