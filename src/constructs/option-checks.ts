import { Token } from 'cdktf';
import { normalizeDomain } from '../config/domain.ts';
import { showText } from '../config/finding.ts';
import { normalizeAddress } from '../config/sip.ts';
import type { DeclarationProblem } from './declaration-error.ts';

/** Checks of options that may be Tokens: a value known only after apply is taken as it is. Each returns its problems. */

export function checkWholeNumber(option: string, value: number, least: number, most: number): DeclarationProblem[] {
  if (Token.isUnresolved(value) || (Number.isInteger(value) && value >= least && value <= most)) return [];
  return [{ option, message: `expected a whole number from ${least} to ${most}, got ${value}` }];
}

export function checkPort(option: string, value: number): DeclarationProblem[] {
  return checkWholeNumber(option, value, 1, 65535);
}

/** RFC 2181 section 8: a TTL is an unsigned number of seconds that fits in 31 bits. */
export function checkTtl(option: string, value: number): DeclarationProblem[] {
  return checkWholeNumber(option, value, 0, 2147483647);
}

export function checkDomain(option: string, value: string): DeclarationProblem[] {
  if (Token.isUnresolved(value) || normalizeDomain(value) !== undefined) return [];
  return [{ option, message: `expected a domain name such as edge.contoso.com, got ${showText(value)}` }];
}

export function checkInsideZone(option: string, name: string, zoneName: string): DeclarationProblem[] {
  if (Token.isUnresolved(name) || Token.isUnresolved(zoneName)) return [];
  const [domain, zone] = [normalForm(name), normalForm(zoneName)];
  if (domain === zone || domain.endsWith(`.${zone}`)) return [];
  return [{ option, message: `expected a name in the hosted zone ${zone}, got ${showText(name)}` }];
}

export function checkAddress(option: string, value: string, family: 'ipv4' | 'ipv6'): DeclarationProblem[] {
  if (Token.isUnresolved(value)) return [];
  const isAddress = !value.includes('/') && normalizeAddress(value) !== undefined;
  if (isAddress && value.includes(':') === (family === 'ipv6')) return [];
  return [{ option, message: `expected an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address, got ${showText(value)}` }];
}

/** The name in lower-case A-labels without the last dot; a Token, or what is not a domain name, as it is. */
export function normalForm(name: string): string {
  return Token.isUnresolved(name) ? name : (normalizeDomain(name) ?? name);
}
