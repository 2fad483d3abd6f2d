import type { IConstruct } from 'constructs';
import type { ExternalAccessPolicy, Grant, Site } from '../config/access-policy.ts';
import { type FederationConfig, parseFederation } from '../config/federation.ts';
import type { Finding, Result } from '../config/finding.ts';
import type { XmppGatewayConfiguration } from '../config/gateway.ts';
import type { XmppAllowedPartner } from '../config/partner.ts';
import { DeclarationError, type DeclarationProblem, describeProblem } from './declaration-error.ts';

const MARK = Symbol.for('cdktf-xmpp-federation/FederationRecord');

/** What a federation is told when it is made: everything but what grows. */
export type FederationBase = Pick<FederationConfig, 'environment' | 'domains' | 'accessEdgeConfiguration' | 'sip'>;

/** One declared thing and the construct that declared it. */
interface Declared<T> {
  readonly source: IConstruct;
  readonly value: T;
}

/** A problem and the construct that has it; the option is relative to that construct. */
export interface LocatedProblem {
  readonly source: IConstruct;
  readonly problem: DeclarationProblem;
}

const ENTRY_PATH = /^(xmppAllowedPartners|externalAccessPolicies|sites|grants)\[(\d+)\]\.?(.*)$/;
const ENTRY_IN_TEXT = /\b(xmppAllowedPartners|externalAccessPolicies)\[(\d+)\]/g;
const GATEWAY_PATH = /^xmppGatewayConfiguration\.(.+)$/;

/**
 * What has been declared for one federation so far. Partners, policies and the gateway configuration find it from
 * their place in the construct tree and add themselves. After synthesis it takes nothing more.
 */
export class FederationRecord {
  readonly #federation: IConstruct;
  readonly #base: FederationBase;
  readonly #partners: Declared<XmppAllowedPartner>[] = [];
  readonly #policies: Declared<ExternalAccessPolicy>[] = [];
  readonly #sites = new Map<string, Site>();
  readonly #grants = new Map<string, string[]>();
  #gateway: Declared<XmppGatewayConfiguration> | undefined;
  #result: Result<FederationConfig> | undefined;
  #errors: Map<IConstruct, string[]> | undefined;
  #isSealed = false;

  constructor(federation: IConstruct, base: FederationBase) {
    this.#federation = federation;
    this.#base = base;
    Object.defineProperty(federation, MARK, { value: this });
  }

  /** Whether a construct is a federation. By its mark, not its class: two copies of this package may be loaded. */
  static isFederation(construct: IConstruct): boolean {
    return MARK in construct;
  }

  /** The record of the federation that `scope` is, or is inside of. The path and kind of who asks are for the message. */
  static of(scope: IConstruct, constructPath: string, what: string): FederationRecord {
    for (const construct of scope.node.scopes.toReversed()) {
      const record: unknown = Reflect.get(construct, MARK);
      if (record !== undefined) return record as FederationRecord;
    }
    const message = `expected an XmppFederation around the ${what}, found none`;
    throw new DeclarationError(constructPath, [{ option: '', message }]);
  }

  addPartner(source: IConstruct, value: XmppAllowedPartner): void {
    this.#partners.push({ source, value });
  }

  addPolicy(source: IConstruct, value: ExternalAccessPolicy): void {
    this.#policies.push({ source, value });
  }

  setGateway(source: IConstruct, value: XmppGatewayConfiguration): void {
    this.#gateway = { source, value };
  }

  /** Path of the construct that declared the gateway configuration. */
  get gatewayPath(): string | undefined {
    return this.#gateway?.source.node.path;
  }

  addSite(site: Site): void {
    this.assertOpen(this.#federation.node.path, 'site');
    if (this.#sites.has(site.name)) {
      const message = 'expected each site once, got this one again';
      throw new DeclarationError(this.#federation.node.path, [{ option: `sites[${site.name}]`, message }]);
    }
    this.#sites.set(site.name, site);
  }

  addGrant({ policyName, users }: Grant): void {
    this.assertOpen(this.#federation.node.path, 'grant');
    const held = this.#grants.get(policyName);
    if (held === undefined) this.#grants.set(policyName, [...users]);
    else for (const user of users) held.push(user);
  }

  /** Throws when synthesis has begun: what is added now would not be in what was written. */
  assertOpen(constructPath: string, what: string): void {
    this.#result = undefined;
    if (!this.#isSealed) return;
    const message = `expected every ${what} before synthesis, got this one after it`;
    throw new DeclarationError(constructPath, [{ option: '', message }]);
  }

  seal(): void {
    this.#isSealed = true;
  }

  /** The whole configuration as declared so far. Throws `DeclarationError` with everything that is wrong. */
  config(): FederationConfig {
    const result = this.#parse();
    if (result.ok) return result.value;
    const problems = result.errors.map((finding) => {
      const { source, problem } = this.locate(finding);
      return source === this.#federation ? problem : { ...problem, option: `${source.node.id}: ${problem.option}` };
    });
    throw new DeclarationError(this.#federation.node.path, problems);
  }

  /** What is wrong with the whole and was declared by `source`, one text each. Asked by validation, so it seals. */
  errorsOf(source: IConstruct): readonly string[] {
    this.seal();
    this.#errors ??= this.#errorsBySource();
    return this.#errors.get(source) ?? [];
  }

  /** The construct that declared what a finding is about. */
  locate(finding: Finding): LocatedProblem {
    const message = finding.message.replace(ENTRY_IN_TEXT, (path, list, index) => {
      return this.#sourceOf(list, index)?.node.path ?? path;
    });
    const [, list = '', index = '', option = ''] = ENTRY_PATH.exec(finding.path) ?? [];
    const entry = this.#sourceOf(list, index);
    if (entry !== undefined) return { source: entry, problem: { option, message } };
    // Sites and grants are no constructs: they go by name.
    const name = [...(list === 'sites' ? this.#sites : list === 'grants' ? this.#grants : []).keys()][Number(index)];
    if (name !== undefined) {
      const rest = option === '' ? '' : `.${option}`;
      return { source: this.#federation, problem: { option: `${list}[${name}]${rest}`, message } };
    }
    const setting = GATEWAY_PATH.exec(finding.path)?.[1];
    if (setting !== undefined && this.#gateway !== undefined) {
      return { source: this.#gateway.source, problem: { option: setting, message } };
    }
    return { source: this.#federation, problem: { option: finding.path, message } };
  }

  #sourceOf(list: string, index: string): IConstruct | undefined {
    if (list === 'xmppAllowedPartners') return this.#partners[Number(index)]?.source;
    return list === 'externalAccessPolicies' ? this.#policies[Number(index)]?.source : undefined;
  }

  #errorsBySource(): Map<IConstruct, string[]> {
    const bySource = new Map<IConstruct, string[]>();
    const result = this.#parse();
    for (const finding of result.ok ? [] : result.errors) {
      const { source, problem } = this.locate(finding);
      bySource.set(source, [...(bySource.get(source) ?? []), describeProblem(problem)]);
    }
    return bySource;
  }

  #parse(): Result<FederationConfig> {
    this.#result ??= parseFederation({
      version: 1,
      ...this.#base,
      ...(this.#gateway === undefined ? {} : { xmppGatewayConfiguration: this.#gateway.value }),
      xmppAllowedPartners: this.#partners.map((declared) => declared.value),
      externalAccessPolicies: this.#policies.map((declared) => declared.value),
      sites: [...this.#sites.values()],
      grants: Array.from(this.#grants, ([policyName, users]) => ({ policyName, users })),
    });
    return this.#result;
  }
}
