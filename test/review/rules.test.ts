import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import type { FederationConfig } from '../../src/config/index.ts';
import { reviewFederation } from '../../src/review/review.ts';
import { RULES, rulesMarkdown } from '../../src/review/rules.ts';
import { parsed, sampleFederation, sampleProps } from '../support/federations.ts';
import { mutationsOf, richProps } from '../support/mutations.ts';
import { REVIEW_SCENARIOS } from '../support/review-scenarios.ts';

const all = RULES.flatMap(({ rules }) => rules);

test('ids are unique and fit for a column, reasons are sentences', () => {
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  for (const { id, reason } of all) {
    assert.match(id, /^[a-z]+(?:-[a-z]+)*$/);
    assert.match(reason, /^[A-Z].*[.?]$/);
  }
});

test('only a broadening or an alarm is critical, and what has no risk goes nowhere', () => {
  for (const { id, risk, direction } of all) {
    if (risk === 'none') assert.equal(direction, 'neutral', id);
  }
});

test('every rule about options and verdicts is reached by some change', () => {
  const found = new Set<string>();
  const see = (base: FederationConfig | undefined, head: FederationConfig | undefined) => {
    for (const [before, after] of [
      [base, head],
      [head, base],
    ]) {
      const review = reviewFederation(
        { label: 'base', ...(before === undefined ? {} : { config: before }) },
        { label: 'head', ...(after === undefined ? {} : { config: after }) },
      );
      for (const { rule } of [...review.options, ...review.exposures]) found.add(rule);
    }
  };
  for (const { config } of mutationsOf(richProps()).mutations) see(parsed(richProps()), config);
  for (const { base, head } of REVIEW_SCENARIOS) see(base, head);
  const [partner] = sampleProps().xmppAllowedPartners ?? [];
  assert.ok(partner);
  const withPartner = (changes: object) => sampleFederation({ xmppAllowedPartners: [{ ...partner, ...changes }] });
  const withUsers = (...users: readonly string[][]) =>
    sampleFederation({ grants: users.map((list) => ({ policyName: 'XmppUsers', users: list })) });
  const withSenders = (...trustedAddresses: string[]) =>
    sampleFederation({ sip: { nextHops: [{ fqdn: 'pool.contoso.com' }], trustedAddresses } });
  see(withPartner({ allowedStanzaKinds: ['message'] }), withPartner({ allowedStanzaKinds: ['iq'] }));
  see(withPartner({ connectionLimit: 20 }), withPartner({}));
  see(withUsers(['ann@contoso.com']), withUsers(['bob@contoso.com']));
  see(withUsers(['ann@contoso.com', 'bob@contoso.com']), withUsers(['ann@contoso.com'], ['bob@contoso.com']));
  see(withSenders('192.0.2.1'), withSenders('192.0.2.2'));
  const unreached = RULES.slice(0, 2).flatMap(({ rules }) => rules.filter(({ id }) => !found.has(id)));
  assert.deepEqual(
    unreached.map(({ id }) => id),
    // The policy never accepts an unproved stream, and no option is without a rule: these two watch over that.
    ['stream-unproved', 'unrated-option'],
  );
});

test('the table in the documentation is this one', async () => {
  const page = await readFile(new URL('../../docs/review.md', import.meta.url), 'utf8');
  assert.ok(page.includes(rulesMarkdown()), 'out of date: run node --import tsx scripts/generate-docs.ts');
});
