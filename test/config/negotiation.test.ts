import assert from 'node:assert/strict';
import test from 'node:test';
import { negotiationProblem } from '../../src/config/negotiation.ts';
import { NEGOTIATION_ROWS } from '../support/negotiation-rows.ts';

test('the table has 6 valid, 7 questionable and 5 impossible rows', () => {
  const count = (validity: string) => NEGOTIATION_ROWS.filter((row) => row.validity === validity).length;
  assert.deepEqual([count('valid'), count('warning'), count('invalid')], [6, 7, 5]);
  const keys = NEGOTIATION_ROWS.map(({ tls, sasl, dialback }) => `${tls} ${sasl} ${dialback}`);
  assert.equal(new Set(keys).size, 18);
});

for (const { tls, sasl, dialback, validity, rule } of NEGOTIATION_ROWS) {
  test(`TLS ${tls}, SASL ${sasl}, dialback ${dialback}: ${validity}`, () => {
    const problem = negotiationProblem({
      tlsNegotiation: tls,
      saslNegotiation: sasl,
      supportDialbackNegotiation: dialback,
    });
    assert.equal(problem?.rule, rule);
    const severity = { valid: undefined, warning: 'warning', invalid: 'error' }[validity];
    assert.equal(problem?.severity, severity);
  });
}
