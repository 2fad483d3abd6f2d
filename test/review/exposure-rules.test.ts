import assert from 'node:assert/strict';
import test from 'node:test';
import type { ExposureFact } from '../../src/review/exposure.ts';
import { EXPOSURE_RULES } from '../../src/review/exposure-rules.ts';
import { sampleOf } from '../../src/review/sample.ts';
import { DEFAULT_THRESHOLDS } from '../../src/review/thresholds.ts';

const none = sampleOf([]);
const one = sampleOf(['fabrikam.com']);

function ruleFor(fact: Partial<ExposureFact>, users = 1, knownUsers = 100): string | undefined {
  const reach = { users: { count: users, samples: [] }, patterns: none, restOf: none, policies: one };
  const whole: ExposureFact = {
    kind: 'stanza',
    change: 'opened',
    traffic: 'inbound',
    standing: 'kept',
    partners: one,
    remoteDomains: one,
    contact: 'either',
    reach,
    sentence: '',
    ...fact,
  };
  const context = { knownUsers, thresholds: DEFAULT_THRESHOLDS };
  return EXPOSURE_RULES.find((rule) => rule.appliesTo(whole, context))?.id;
}

test('a stream that anybody can open is the worst', () => {
  const stream = { kind: 'stream', method: 'sasl-over-tls' } as const;
  assert.equal(ruleFor({ ...stream, certificate: 'invalid' }), 'stream-unproved');
  assert.equal(ruleFor({ ...stream, certificate: 'either' }), 'stream-unproved');
  assert.equal(ruleFor({ ...stream, certificate: 'valid' }), 'stream-certificate');
});

test('how many users are reached counts from 30 % of at least 10', () => {
  assert.deepEqual(
    [29, 30].map((users) => ruleFor({}, users)),
    ['strangers-reach-users', 'strangers-reach-many'],
  );
  assert.equal(ruleFor({}, 9, 9), 'strangers-reach-users');
  assert.equal(ruleFor({ contact: 'listed' }, 30), 'contacts-reach-many');
  assert.equal(ruleFor({ traffic: 'outbound' }, 30), 'many-write-out');
  assert.equal(ruleFor({ change: 'closed' }, 30), 'many-cut-off');
});

test('a whole domain is many, whoever is known of it', () => {
  const reach = { users: none, patterns: none, restOf: sampleOf(['contoso.com']), policies: one };
  assert.equal(ruleFor({ reach }), 'strangers-reach-many');
  assert.equal(
    ruleFor({ reach: { ...reach, restOf: none, patterns: sampleOf(['a*@contoso.com']) } }),
    'strangers-reach-users',
  );
});

test('a partner that is new, or gone, is no alarm for the number of users', () => {
  assert.equal(ruleFor({ standing: 'new' }, 100), 'strangers-reach-users');
  assert.equal(ruleFor({ standing: 'gone', change: 'closed' }, 100), 'users-cut-off');
});
