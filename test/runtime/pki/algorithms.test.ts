import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasStrongSignature } from '../../../src/runtime/pki/algorithms.ts';

const SHA256 = '0609608648016503040201';
const SHA1 = '06052b0e03021a';
const wrap = (tag: string, hex: string) => tag + (hex.length / 2).toString(16).padStart(2, '0') + hex;
const pss = (digest: string) => wrap('30', wrap('a0', wrap('30', digest)));

describe('hasStrongSignature', () => {
  const rows: readonly (readonly [string, string, string, boolean])[] = [
    ['RSA with SHA-256', '1.2.840.113549.1.1.11', '0500', true],
    ['RSA with SHA-1', '1.2.840.113549.1.1.5', '0500', false],
    ['RSA with MD5', '1.2.840.113549.1.1.4', '0500', false],
    ['ECDSA with SHA-384', '1.2.840.10045.4.3.3', '', true],
    ['ECDSA with SHA-1', '1.2.840.10045.4.1', '', false],
    ['Ed25519', '1.3.101.112', '', true],
    ['DSA with SHA-256', '2.16.840.1.101.3.4.3.2', '', false],
    ['RSA-PSS with SHA-256', '1.2.840.113549.1.1.10', pss(SHA256), true],
    ['RSA-PSS with SHA-1', '1.2.840.113549.1.1.10', pss(SHA1), false],
    ['RSA-PSS by default, SHA-1', '1.2.840.113549.1.1.10', '3000', false],
    ['RSA-PSS without parameters', '1.2.840.113549.1.1.10', '', false],
    ['RSA-PSS with junk', '1.2.840.113549.1.1.10', '30ff', false],
  ];
  for (const [name, signatureAlgorithm, parameters, expected] of rows) {
    test(`${name}: ${expected ? 'strong' : 'weak'}`, () => {
      const signatureParameters = Buffer.from(parameters, 'hex');
      assert.equal(hasStrongSignature({ signatureAlgorithm, signatureParameters }), expected);
    });
  }
});
