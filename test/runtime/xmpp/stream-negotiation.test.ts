import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AuthMethod, streamOutcome } from '../../../src/policy/index.ts';
import { NEGOTIATION_ROWS } from '../../support/negotiation-rows.ts';
import { partnerWith } from '../../support/partners.ts';
import { OURS, type PartnerSettings, THEIRS, uncheckedIndexWith } from '../../support/stream-sessions.ts';
import { negotiate, type WireEnd } from '../../support/stream-wire.ts';

// An initiating session against a receiving one, through text and parser, dialback included: what they arrive at must
// be what the policy says of the two sets of settings.

const CERTIFICATES = ['valid', 'invalid', 'missing'] as const;

interface Kind {
  readonly settings: PartnerSettings;
  readonly certificate: WireEnd['certificate'];
  readonly initiator: WireEnd;
  readonly receiver: WireEnd;
}

// All 18 rows, also those that a checked configuration would refuse, with each kind of certificate.
const kinds: readonly Kind[] = NEGOTIATION_ROWS.flatMap(({ tls, sasl, dialback }) => {
  const settings = { tlsNegotiation: tls, saslNegotiation: sasl, supportDialbackNegotiation: dialback };
  const ours = uncheckedIndexWith(settings, OURS, THEIRS);
  const theirs = uncheckedIndexWith(settings, THEIRS, OURS);
  return CERTIFICATES.map((certificate) => ({
    settings,
    certificate,
    initiator: { domain: THEIRS, index: theirs, secret: 'their secret', certificate },
    receiver: { domain: OURS, index: ours, secret: 'our secret', certificate },
  }));
});

function expected(one: Kind, other: Kind, directTls: boolean): AuthMethod | 'none' {
  const side = ({ settings, certificate }: Kind) => ({
    partner: partnerWith(settings),
    certificate,
    strictCertificates: false,
  });
  return streamOutcome(side(one), side(other), { directTls });
}

for (const isDirectTls of [false, true]) {
  test(`${isDirectTls ? 'direct TLS' : 'STARTTLS'}: all ${kinds.length ** 2} pairs come out as the policy says`, () => {
    const counts = { none: 0, 'tcp-dialback': 0, 'tls-dialback': 0, 'sasl-over-tls': 0 };
    let oracleCounts = { ...counts };
    for (const one of kinds) {
      for (const other of kinds) {
        const outcome = negotiate(one.initiator, other.receiver, isDirectTls);
        const wanted = expected(one, other, isDirectTls);
        if (outcome !== wanted)
          assert.equal(
            outcome,
            wanted,
            JSON.stringify([one, other].map(({ settings, certificate }) => ({ ...settings, certificate }))),
          );
        counts[outcome] += 1;
        const isOptional = one.settings.saslNegotiation === 'Optional' && other.settings.saslNegotiation === 'Optional';
        if (isOptional) oracleCounts = { ...oracleCounts, [outcome]: oracleCounts[outcome] + 1 };
      }
    }
    // With SASL Optional on both ends these are the 324 pairs of the two-sided oracle.
    const direct = { none: 288, 'tcp-dialback': 0, 'tls-dialback': 20, 'sasl-over-tls': 16 };
    const starttls = { none: 258, 'tcp-dialback': 30, 'tls-dialback': 20, 'sasl-over-tls': 16 };
    assert.deepEqual(oracleCounts, isDirectTls ? direct : starttls);
    assert.equal(
      Object.values(counts).reduce((sum, count) => sum + count),
      kinds.length ** 2,
    );
  });
}
