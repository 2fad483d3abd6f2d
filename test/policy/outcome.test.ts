import assert from 'node:assert/strict';
import test from 'node:test';
import { type AuthMethod, offerFeatures, type StreamSide, streamOutcome } from '../../src/policy/index.ts';
import { partnerWith } from '../support/partners.ts';

type Outcome = AuthMethod | 'none';
type Tls = 'required' | 'optional' | 'disabled';
type Certificate = StreamSide['certificate'];

interface Side {
  readonly tls: Tls;
  readonly certificate: Certificate;
  readonly dialback: boolean;
}

const sides: readonly Side[] = (['required', 'optional', 'disabled'] as const).flatMap((tls) =>
  (['missing', 'invalid', 'valid'] as const).flatMap((certificate) =>
    [true, false].map((dialback) => ({ tls, certificate, dialback })),
  ),
);
const pairs = sides.flatMap((initiator) => sides.map((receiver) => ({ initiator, receiver })));

// The oracle, written down independently of any policy code: 7 lines, SASL EXTERNAL used whenever it can be.
function oracle(i: Side, r: Side, strict: boolean): Outcome {
  const db = i.dialback && r.dialback;
  const clash = (a: Side, b: Side) => a.tls === 'required' && b.tls === 'disabled';
  if (clash(i, r) || clash(r, i)) return 'none';
  if (i.tls === 'disabled' || r.tls === 'disabled') return db ? 'tcp-dialback' : 'none';
  if (r.certificate === 'missing') {
    return i.tls === 'required' || r.tls === 'required' || !db ? 'none' : 'tcp-dialback';
  }
  if (r.certificate === 'invalid') return strict || !db ? 'none' : 'tls-dialback';
  if (i.certificate === 'missing') return db ? 'tls-dialback' : 'none';
  if (i.certificate === 'invalid') return strict || !db ? 'none' : 'tls-dialback';
  return 'sasl-over-tls';
}

function partnerOf(side: Side) {
  return partnerWith({
    tlsNegotiation: ({ required: 'Required', optional: 'Optional', disabled: 'NotSupported' } as const)[side.tls],
    saslNegotiation: 'Optional',
    supportDialbackNegotiation: side.dialback,
  });
}

function streamSide(side: Side, strictCertificates: boolean): StreamSide {
  return { partner: partnerOf(side), certificate: side.certificate, strictCertificates };
}

function counts(outcomes: readonly Outcome[]): Readonly<Record<Outcome, number>> {
  const count = (outcome: Outcome) => outcomes.filter((other) => other === outcome).length;
  return {
    none: count('none'),
    'tcp-dialback': count('tcp-dialback'),
    'tls-dialback': count('tls-dialback'),
    'sasl-over-tls': count('sasl-over-tls'),
  };
}

for (const strict of [true, false]) {
  test(`${strict ? 'strict' : 'lenient'}: all 324 pairs come out as the oracle says`, () => {
    assert.equal(pairs.length, 324);
    const outcomes = pairs.map(({ initiator, receiver }) => {
      const outcome = streamOutcome(streamSide(initiator, strict), streamSide(receiver, strict));
      assert.equal(outcome, oracle(initiator, receiver, strict), JSON.stringify({ initiator, receiver }));
      return outcome;
    });
    const expected = strict
      ? { none: 274, 'tcp-dialback': 30, 'tls-dialback': 4, 'sasl-over-tls': 16 }
      : { none: 258, 'tcp-dialback': 30, 'tls-dialback': 20, 'sasl-over-tls': 16 };
    assert.deepEqual(counts(outcomes), expected);
  });
}

test('two ends that follow offerFeatures come out as the oracle says, all 324 pairs', () => {
  for (const { initiator, receiver } of pairs) {
    assert.equal(
      negotiate(initiator, receiver),
      oracle(initiator, receiver, false),
      JSON.stringify({ initiator, receiver }),
    );
  }
});

// Plays the stream: the receiver offers, the initiator uses what its own settings allow. Neither end is strict.
function negotiate(initiator: Side, receiver: Side): Outcome {
  const receiverSees = { secured: true, certificateProves: initiator.certificate === 'valid' };
  const initiatorSees = { secured: true, certificateProves: receiver.certificate === 'valid' };
  const plain = { secured: false, certificateProves: false };
  const offered = offerFeatures(partnerOf(receiver), plain);
  const wanted = offerFeatures(partnerOf(initiator), plain);

  const isTlsPossible = offered.starttls !== 'none' && receiver.certificate !== 'missing';
  if (isTlsPossible && wanted.starttls !== 'none') {
    const inside = offerFeatures(partnerOf(receiver), receiverSees);
    const usable = offerFeatures(partnerOf(initiator), initiatorSees);
    if (inside.saslExternal && usable.saslExternal) return 'sasl-over-tls';
    return inside.dialback && usable.dialback ? 'tls-dialback' : 'none';
  }
  if (offered.starttls === 'required' || wanted.starttls === 'required') return 'none';
  return offered.dialback && wanted.dialback ? 'tcp-dialback' : 'none';
}

const valid = { certificate: 'valid', strictCertificates: true } as const;

test('direct TLS leaves no plain stream', () => {
  for (const { initiator, receiver } of pairs) {
    const [i, r] = [streamSide(initiator, false), streamSide(receiver, false)];
    const direct = streamOutcome(i, r, { directTls: true });
    assert.notEqual(direct, 'tcp-dialback');
    const usual = streamOutcome(i, r);
    assert.equal(direct, usual === 'tcp-dialback' ? 'none' : usual);
  }
});

test('SASL has to be possible on both ends', () => {
  const side = (saslNegotiation: 'Required' | 'Optional' | 'NotSupported', supportDialbackNegotiation: boolean) => ({
    ...valid,
    partner: partnerWith({ saslNegotiation, supportDialbackNegotiation }),
  });
  assert.equal(streamOutcome(side('Optional', true), side('NotSupported', true)), 'tls-dialback');
  assert.equal(streamOutcome(side('NotSupported', true), side('Required', true)), 'none');
  assert.equal(streamOutcome(side('Required', false), side('Optional', false)), 'sasl-over-tls');
});
