import assert from 'node:assert/strict';
import test from 'node:test';
import { judgeApproval } from '../../src/review/approvals.ts';
import { reviewFederation } from '../../src/review/review.ts';
import { RULES } from '../../src/review/rules.ts';
import { renderSarif } from '../../src/review/sarif.ts';
import { sampleFederation } from '../support/federations.ts';
import { REVIEW_SCENARIOS, reviewed } from '../support/review-scenarios.ts';

const environments = REVIEW_SCENARIOS.map(reviewed);
const log = JSON.parse(renderSarif(environments, 'cdktf.json'));
const [run] = log.runs;

test('a log of version 2.1.0 with one run and every rule', () => {
  assert.equal(log.version, '2.1.0');
  assert.equal(log.runs.length, 1);
  const ids = run.tool.driver.rules.map(({ id }: { readonly id: string }) => id);
  assert.deepEqual(
    ids,
    RULES.flatMap(({ rules }) => rules.map(({ id }) => id)),
  );
  for (const rule of run.tool.driver.rules) {
    assert.ok(rule.shortDescription.text.length > 0);
    assert.match(rule.properties['security-severity'], /^[0-9]\.[0-9]$/);
  }
});

test('every change is a result with a place, a fingerprint and a rule that exists', () => {
  const changes = environments.flatMap(({ review }) => [
    ...review.exposures,
    ...review.options,
    ...review.resources,
    ...review.blastRadius.alarms,
  ]);
  assert.equal(run.results.length, changes.length);
  const ids = new Set(run.tool.driver.rules.map(({ id }: { readonly id: string }) => id));
  for (const result of run.results) {
    assert.ok(ids.has(result.ruleId), result.ruleId);
    assert.match(result.level, /^(?:error|warning|note|none)$/);
    assert.equal(result.locations[0].physicalLocation.artifactLocation.uri, 'cdktf.json');
    assert.equal(result.locations[0].physicalLocation.region.startLine, 1);
    assert.match(result.partialFingerprints['changeId/v1'], /^prod\/[0-9a-f]{16}$/);
    assert.doesNotMatch(result.message.text, /hunter|undefined|\[object/);
  }
});

test('texts', () => {
  const texts = run.results.map(({ message }: { readonly message: { readonly text: string } }) => message.text);
  for (const expected of [
    'prod: xmppAllowedPartners[adatum.com].tlsNegotiation changed ("Required" to "NotSupported"). Without TLS only dialback is left:',
    'prod: grants[Sales].users changed (1 added). Everybody in the domain gets a policy that allows XMPP.',
    'prod: contoso.com with adatum.com: an unencrypted stream proved by dialback is now accepted. Whoever controls DNS',
    'prod: 40 of 41 partners are removed (97 %). So many at once',
    'prod: the environment added. The environment is new:',
  ]) {
    assert.ok(
      texts.some((text: string) => text.startsWith(expected)),
      expected,
    );
  }
});

test('of more than code scanning takes the riskiest are kept', () => {
  const partners = (count: number) => Array.from({ length: count }, (_, i) => ({ domain: `partner${i}.example` }));
  const review = reviewFederation(
    { label: 'base', config: sampleFederation({ xmppAllowedPartners: partners(6000) }) },
    { label: 'head', config: sampleFederation({ xmppAllowedPartners: [] }) },
  );
  const [huge] = JSON.parse(renderSarif([{ review, approval: judgeApproval(review, {}) }], 'x.json')).runs;
  assert.equal(huge.results.length, 5000);
  assert.ok(huge.properties.resultsLeftOut > 1000);
  assert.equal(huge.results[0].ruleId, 'partners-removed-in-mass');
});
