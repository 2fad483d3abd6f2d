import type { AuthMethod } from '../../src/policy/index.ts';

type Negotiation = 'Required' | 'Optional' | 'NotSupported';

/** One row of Lync's table of negotiation settings: what may result, and how sound the combination is. */
export interface NegotiationRow {
  readonly tls: Negotiation;
  readonly sasl: Negotiation;
  readonly dialback: boolean;
  readonly methods: readonly AuthMethod[];
  readonly validity: 'valid' | 'warning' | 'invalid';
  /** Rule id of the finding, undefined on a valid row. */
  readonly rule?: string;
}

const SASL = 'sasl-over-tls';
const TLS_DB = 'tls-dialback';
const TCP_DB = 'tcp-dialback';

/** All 18 rows, in the order of Lync's page on negotiation settings for XMPP federated partners. */
export const NEGOTIATION_ROWS: readonly NegotiationRow[] = [
  { tls: 'Required', sasl: 'Required', dialback: true, methods: [SASL], validity: 'warning', rule: 'dialback-inert' },
  { tls: 'Required', sasl: 'Required', dialback: false, methods: [SASL], validity: 'valid' },
  {
    tls: 'Optional',
    sasl: 'Required',
    dialback: true,
    methods: [SASL, TLS_DB, TCP_DB],
    validity: 'warning',
    rule: 'tls-optional-with-sasl',
  },
  {
    tls: 'Optional',
    sasl: 'Required',
    dialback: false,
    methods: [SASL],
    validity: 'warning',
    rule: 'tls-optional-with-sasl',
  },
  {
    tls: 'NotSupported',
    sasl: 'Required',
    dialback: true,
    methods: [TCP_DB],
    validity: 'warning',
    rule: 'sasl-without-tls',
  },
  {
    tls: 'NotSupported',
    sasl: 'Required',
    dialback: false,
    methods: [],
    validity: 'invalid',
    rule: 'sasl-without-tls-no-dialback',
  },
  { tls: 'Required', sasl: 'Optional', dialback: true, methods: [SASL, TLS_DB], validity: 'valid' },
  { tls: 'Required', sasl: 'Optional', dialback: false, methods: [SASL], validity: 'valid' },
  {
    tls: 'Optional',
    sasl: 'Optional',
    dialback: true,
    methods: [SASL, TLS_DB, TCP_DB],
    validity: 'warning',
    rule: 'tls-optional-with-sasl',
  },
  {
    tls: 'Optional',
    sasl: 'Optional',
    dialback: false,
    methods: [SASL],
    validity: 'warning',
    rule: 'tls-optional-with-sasl',
  },
  {
    tls: 'NotSupported',
    sasl: 'Optional',
    dialback: true,
    methods: [TCP_DB],
    validity: 'warning',
    rule: 'sasl-without-tls',
  },
  {
    tls: 'NotSupported',
    sasl: 'Optional',
    dialback: false,
    methods: [],
    validity: 'invalid',
    rule: 'sasl-without-tls-no-dialback',
  },
  { tls: 'Required', sasl: 'NotSupported', dialback: true, methods: [TLS_DB], validity: 'valid' },
  { tls: 'Required', sasl: 'NotSupported', dialback: false, methods: [], validity: 'invalid', rule: 'no-auth-method' },
  { tls: 'Optional', sasl: 'NotSupported', dialback: true, methods: [TLS_DB, TCP_DB], validity: 'valid' },
  { tls: 'Optional', sasl: 'NotSupported', dialback: false, methods: [], validity: 'invalid', rule: 'no-auth-method' },
  { tls: 'NotSupported', sasl: 'NotSupported', dialback: true, methods: [TCP_DB], validity: 'valid' },
  {
    tls: 'NotSupported',
    sasl: 'NotSupported',
    dialback: false,
    methods: [],
    validity: 'invalid',
    rule: 'no-auth-method',
  },
];
