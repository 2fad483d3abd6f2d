import { isDeepStrictEqual } from 'node:util';
import {
  type FederationConfig,
  type FederationConfigProps,
  federationJsonSchema,
  parseFederation,
} from '../../src/config/index.ts';

/** One change of one option. */
export interface Mutation {
  /** Option by its place in the schema: `xmppAllowedPartners[].tlsNegotiation`. */
  readonly option: string;
  /** What was done, e.g. `Required -> Optional`. */
  readonly what: string;
  readonly config: FederationConfig;
}

type Schema = ReturnType<typeof federationJsonSchema>;
type Path = readonly (string | number)[];

interface Candidate {
  readonly option: string;
  readonly what: string;
  readonly path: Path;
  /** Undefined takes the value out. */
  readonly value: unknown;
}

// Tried in turn where the schema only says "text": one of them fits.
const TEXTS = ['changed.example', 'changed', 'changed@contoso.com', '198.51.100.7', `${'B'.repeat(42)}E=`, 'Unused'];

/** Every change of a single option that gives another valid configuration. `options` are all there are in the schema. */
export function mutationsOf(props: FederationConfigProps): {
  readonly mutations: readonly Mutation[];
  readonly options: ReadonlySet<string>;
} {
  const candidates = [...candidatesAt(federationJsonSchema(), props, [], '')];
  const own = parseFederation(props);
  const mutations = candidates.flatMap(({ option, what, path, value }) => {
    const result = parseFederation(replaced(props, path, value));
    if (!result.ok || !own.ok) return [];
    // Writing out a default, or sorting a list differently, is no change.
    return isDeepStrictEqual(own.value, result.value) ? [] : [{ option, what, config: result.value }];
  });
  return { mutations, options: new Set(candidates.map(({ option }) => option)) };
}

function* candidatesAt(schema: Schema, value: unknown, path: Path, option: string): Generator<Candidate> {
  const change = (next: unknown): Candidate => ({ option, what: `${show(value)} -> ${show(next)}`, path, value: next });
  if (schema.properties !== undefined) {
    for (const [name, part] of Object.entries(schema.properties)) {
      const child = option === '' ? name : `${option}.${name}`;
      yield* candidatesAt(part, memberOf(value, name), [...path, name], child);
    }
  } else if (schema.anyOf !== undefined) {
    for (const alternative of schema.anyOf) yield* candidatesAt(alternative, value, path, option);
  } else if (schema.enum !== undefined) {
    for (const name of schema.enum) if (name !== value) yield change(name);
  } else if (schema.type === 'boolean') {
    for (const flag of [true, false]) if (flag !== value) yield change(flag);
  } else if (schema.type === 'integer') {
    for (const number of [schema.minimum, schema.maximum]) if (number !== value) yield change(number);
    if (value !== undefined) yield change(undefined);
  } else if (schema.type === 'array') {
    yield* listCandidates(schema, Array.isArray(value) ? value : [], path, option);
  } else if (schema.const === undefined) {
    for (const text of TEXTS) yield change(text);
    if (value !== undefined) yield change(undefined);
  }
}

function* listCandidates(schema: Schema, list: readonly unknown[], path: Path, option: string): Generator<Candidate> {
  const change = (what: string, value: unknown): Candidate => ({ option, what, path, value });
  for (let i = 0; i < list.length; i++) {
    yield change(`without ${show(list[i])}`, list.toSpliced(i, 1));
    if (schema.items !== undefined && typeof list[i] === 'object') {
      yield* candidatesAt(schema.items, list[i], [...path, i], `${option}[]`);
    }
  }
  for (const text of [...TEXTS, ...(schema.items?.enum ?? [])]) {
    if (!list.includes(text)) yield change(`with ${text}`, [...list, text]);
  }
  const [first] = list;
  if (typeof first !== 'object' || first === null) return;
  for (const name of Object.keys(first)) {
    for (const text of TEXTS) yield change(`with ${name} ${text}`, [...list, { ...first, [name]: text }]);
  }
}

function replaced(value: unknown, [step, ...rest]: Path, next: unknown): unknown {
  if (step === undefined) return next;
  if (Array.isArray(value)) return value.map((entry, i) => (i === step ? replaced(entry, rest, next) : entry));
  const changed = { ...(value as object), [step]: replaced(memberOf(value, step), rest, next) };
  return Object.fromEntries(Object.entries(changed).filter(([, entry]) => entry !== undefined));
}

function memberOf(value: unknown, name: string | number): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
}

/** A federation with something in every list and every optional option set, so that each can change by itself. */
export function richProps(): FederationConfigProps {
  return {
    version: 1,
    environment: 'test',
    domains: [{ domain: 'contoso.com', sipDomain: 'sip.contoso.com' }, { domain: 'example.com' }],
    accessEdgeConfiguration: { allowFederatedUsers: true },
    xmppGatewayConfiguration: {},
    xmppAllowedPartners: [
      {
        domain: 'fabrikam.com',
        additionalDomains: ['corp.fabrikam.com'],
        description: 'A supplier.',
        partnerType: 'PublicVerified',
        tlsNegotiation: 'Optional',
        saslNegotiation: 'Optional',
        connectionLimit: 4,
        proxyFqdn: 'xmpp.fabrikam.com',
        trustAnchors: [{ certificate: 'fabrikam-ca' }],
        allowedStanzaKinds: ['message', 'presence'],
        messageRateLimit: 50,
      },
      { domain: 'adatum.com', partnerType: 'Federated', trustAnchors: [{ publicKeySha256: `${'A'.repeat(43)}=` }] },
    ],
    externalAccessPolicies: [
      { identity: 'global', enableFederationAccess: true },
      { identity: 'XmppUsers', enableFederationAccess: true, enableXmppAccess: true },
      { identity: 'Closed' },
      { identity: 'Unused' },
      { identity: 'site:Redmond', enableFederationAccess: true, enableXmppAccess: true },
    ],
    sites: [{ name: 'Redmond', users: ['rd-*@contoso.com'] }],
    grants: [
      { policyName: 'XmppUsers', users: ['ann@contoso.com', 'sales-*@contoso.com'] },
      { policyName: 'Closed', users: ['bob@contoso.com'] },
    ],
    sip: {
      nextHops: [{ fqdn: 'pool01.contoso.com', port: 5061, priority: 20, weight: 5 }, { fqdn: 'pool02.contoso.com' }],
      trustedAddresses: ['192.0.2.0/24'],
      trustedTlsNames: ['pool01.contoso.com'],
    },
  };
}
