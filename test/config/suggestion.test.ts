import assert from 'node:assert/strict';
import test from 'node:test';
import { didYouMean, nearest } from '../../src/config/suggestion.ts';

const OPTIONS = ['domain', 'additionalDomains', 'tlsNegotiation', 'saslNegotiation', 'supportDialbackNegotiation'];

test('slips of the finger and other spellings are recognised', () => {
  assert.equal(nearest('tlsNegociation', OPTIONS), 'tlsNegotiation');
  assert.equal(nearest('TlsNegotiation', OPTIONS), 'tlsNegotiation');
  assert.equal(nearest('sasl_negotiation', OPTIONS), 'saslNegotiation');
  assert.equal(nearest('doman', OPTIONS), 'domain');
  assert.equal(didYouMean('doman', OPTIONS), '; did you mean "domain"?');
});

test('no wild guesses, and none for overlong names', () => {
  assert.equal(nearest('certificate', OPTIONS), undefined);
  assert.equal(nearest('x', OPTIONS), undefined);
  assert.equal(nearest('', OPTIONS), undefined);
  assert.equal(nearest('domain'.repeat(1000), OPTIONS), undefined);
  assert.equal(didYouMean('x', OPTIONS), '');
});
