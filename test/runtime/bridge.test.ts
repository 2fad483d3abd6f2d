import assert from 'node:assert/strict';
import test from 'node:test';
import type { FederationConfigProps } from '../../src/config/index.ts';
import { indexFederation } from '../../src/policy/index.ts';
import { Bridge } from '../../src/runtime/bridge.ts';
import { type BridgeObservation, type ContactList, NO_CONTACTS } from '../../src/runtime/bridge-services.ts';
import type { SipPageMessage } from '../../src/runtime/sip/page-message.ts';
import type { OutcomeCallback, SipOutcome } from '../../src/runtime/sip-client.ts';
import type { RouteFailure } from '../../src/runtime/streams/route-failure.ts';
import { TrafficLedger } from '../../src/runtime/traffic.ts';
import { parseJid } from '../../src/runtime/xmpp/jid.ts';
import { sampleFederation } from '../support/federations.ts';
import { parseElement } from './interwork/wire.ts';

const OK: SipOutcome = { status: 200, reason: 'OK', source: 'response' };
const DOWN: SipOutcome = { status: 503, reason: 'No Next Hop Is Up', source: 'no-next-hop' };
const fabrikam = { domain: 'fabrikam.com', partnerType: 'Federated' } as const;

interface Options {
  readonly contacts?: ContactList;
  readonly maxRequestBytes?: number;
}

/** A bridge between a partner's stream and a pool that are lists of what was sent. */
class Bench {
  readonly toPartner: string[] = [];
  readonly toPool: SipPageMessage[] = [];
  readonly seen: BridgeObservation[] = [];
  readonly traffic = new TrafficLedger();
  readonly bridge: Bridge;
  now = 0;
  /** What becomes of a stanza to the partner. */
  failure: RouteFailure | undefined;
  /** What becomes of a message to the pool; undefined leaves it open. */
  outcome: ((message: SipPageMessage) => SipOutcome | undefined) | undefined = () => OK;
  outage: SipOutcome | undefined;
  readonly open: OutcomeCallback[] = [];

  constructor(changes: Partial<FederationConfigProps> = {}, { contacts = NO_CONTACTS, maxRequestBytes }: Options = {}) {
    let ids = 0;
    const index = indexFederation(sampleFederation(changes));
    this.bridge = new Bridge(
      { index, maxRequestBytes },
      {
        contacts,
        traffic: this.traffic,
        now: () => this.now,
        newId: () => `id${++ids}`,
        sendToPartner: (localDomain, remoteDomain, xml, done) => {
          this.toPartner.push(`${localDomain} > ${remoteDomain} ${xml}`);
          done(this.failure);
        },
        sendToPool: (message, done) => {
          this.toPool.push(message);
          const outcome = this.outcome?.(message);
          if (outcome === undefined) this.open.push(done);
          else done(outcome);
        },
        poolOutage: () => this.outage,
        observe: (event) => this.seen.push(event),
      },
    );
  }

  /** Hands over a stanza as a stream would: its addresses parsed, its pair of domains proved. */
  receive(xml: string): this {
    const stanza = parseElement(xml.replace(/^<(\w+)/, "<$1 xmlns='jabber:server'"));
    const from = parseJid(stanza.attr('from') ?? '');
    const to = parseJid(stanza.attr('to') ?? '');
    assert(from !== undefined && to !== undefined, xml);
    const proof = { ...pair(to.domain, from.domain), method: 'sasl-over-tls', certificateProves: true } as const;
    this.bridge.onStanza({ stanza, from, to, proof, streamId: 's1' });
    return this;
  }

  /** A MESSAGE of the pool; returns how it was answered. */
  send(changes: Partial<SipPageMessage> = {}): readonly string[] {
    const answers: string[] = [];
    this.bridge.onPoolMessage(
      {
        requestUri: 'sip:juliet@fabrikam.com',
        from: 'sip:ann@contoso.com',
        to: 'sip:juliet@fabrikam.com',
        callId: 'c1',
        contentType: 'text/plain',
        ...changes,
        body: Buffer.from(changes.body ?? 'hello'),
      },
      (status, reason) => answers.push([status, ...(reason === undefined ? [] : [reason])].join(' ')),
    );
    return answers;
  }

  refusals(): readonly string[] {
    return this.seen.flatMap((event) =>
      event.type === 'stanza-refused'
        ? [`${event.direction} ${event.partner} ${event.kind} ${event.refused.reason} ${event.refused.path}`]
        : [],
    );
  }
}

function pair(
  localDomain: string,
  remoteDomain: string,
): { readonly localDomain: string; readonly remoteDomain: string } {
  return { localDomain, remoteDomain };
}

function message(
  to: string,
  { from = 'juliet@fabrikam.com/x', type = 'chat', body = 'hello', more = '' } = {},
): string {
  const text = body === '' ? '' : `<body>${body}</body>`;
  return `<message from='${from}' to='${to}' id='m1' type='${type}'>${text}${more}</message>`;
}

function errorOf(xml: string | undefined): string | undefined {
  return /<error type='(\w+)'><([a-z-]+)/
    .exec(xml ?? '')
    ?.slice(1)
    .join(' ');
}

test('a message passes in both directions', () => {
  const bench = new Bench();
  bench.receive(message('ann@contoso.com'));
  assert.equal(bench.toPool.length, 1);
  const [{ requestUri, from, body } = { requestUri: '', from: '', body: '' }] = bench.toPool;
  assert.deepEqual([requestUri, from, body], ['sip:ann@contoso.com', 'sip:juliet@fabrikam.com;gr=x', 'hello']);
  assert.deepEqual(bench.toPartner, []);

  assert.deepEqual(bench.send(), ['200']);
  assert.deepEqual(bench.toPartner, [
    "contoso.com > fabrikam.com <message from='ann@contoso.com' to='juliet@fabrikam.com' id='id1'><body>hello</body><thread>c1</thread></message>",
  ]);
  const { messagesToSip, messagesToXmpp, sipFailures, xmppFailures } = bench.traffic.of({
    partner: parsedPartner(),
    path: '',
  });
  assert.deepEqual([messagesToSip, messagesToXmpp, sipFailures, xmppFailures], [1, 1, 0, 0]);
  assert.deepEqual(bench.seen, []);
});

function parsedPartner() {
  const [partner] = sampleFederation().xmppAllowedPartners;
  assert(partner !== undefined);
  return partner;
}

test('bodies are observed only where the configuration asks for it', () => {
  const bench = new Bench({ xmppGatewayConfiguration: { enableLoggingAllMessageBodies: true } });
  bench.receive(message('ann@contoso.com', { body: 'in' }));
  bench.send({ body: 'out' });
  const partner = 'fabrikam.com';
  const [ann, juliet] = ['ann@contoso.com', 'juliet@fabrikam.com'];
  assert.deepEqual(bench.seen, [
    { type: 'message-passed', direction: 'inbound', partner, from: juliet, to: ann, body: 'in' },
    { type: 'message-passed', direction: 'outbound', partner, from: ann, to: juliet, body: 'out' },
  ]);
});

test('every refusal of a message from a partner has its answer and is observed once', () => {
  const denied = [{ identity: 'XmppUsers', enableFederationAccess: true }];
  const cases: [changes: Partial<FederationConfigProps>, answer: string, refusal: string][] = [
    [
      { accessEdgeConfiguration: {} },
      'cancel service-unavailable',
      'fabrikam.com message federation-disabled accessEdgeConfiguration.allowFederatedUsers',
    ],
    [{ xmppAllowedPartners: [] }, 'auth forbidden', ' message partner-not-allowed xmppAllowedPartners'],
    [
      { domains: [{ domain: 'litware.com' }], grants: [] },
      'cancel item-not-found',
      'fabrikam.com message domain-not-served domains',
    ],
    [
      { xmppAllowedPartners: [{ ...fabrikam, allowedStanzaKinds: ['iq'] }] },
      'cancel not-allowed',
      'fabrikam.com message stanza-kind-not-allowed xmppAllowedPartners[0].allowedStanzaKinds',
    ],
    [{ grants: [] }, 'cancel item-not-found', 'fabrikam.com message user-federation-denied externalAccessPolicies'],
    [
      { externalAccessPolicies: denied },
      'cancel item-not-found',
      'fabrikam.com message user-xmpp-denied externalAccessPolicies[0].enableXmppAccess',
    ],
    [
      { xmppAllowedPartners: [{ domain: 'fabrikam.com' }] },
      'cancel item-not-found',
      'fabrikam.com message contact-not-listed xmppAllowedPartners[0].partnerType',
    ],
  ];
  for (const [changes, answer, refusal] of cases) {
    const bench = new Bench(changes).receive(message('ann@contoso.com'));
    assert.deepEqual(bench.toPool, [], refusal);
    assert.deepEqual(bench.toPartner.map(errorOf), [answer], refusal);
    assert.deepEqual(bench.refusals(), [`inbound ${refusal}`]);
  }
});

test('a contact of a PublicUnverified partner who is listed may write', () => {
  const contacts: ContactList = {
    isListed: (user, contact) => user === 'ann@contoso.com' && contact === 'juliet@fabrikam.com',
  };
  const bench = new Bench({ xmppAllowedPartners: [{ domain: 'fabrikam.com' }] }, { contacts });
  bench.receive(message('ann@contoso.com')).receive(message('ann@contoso.com', { from: 'eve@fabrikam.com' }));
  assert.equal(bench.toPool.length, 1);
  assert.equal(bench.refusals().length, 1);
});

test('every refusal of a message from the pool is 403 and is observed once', () => {
  const cases: [changes: Partial<FederationConfigProps>, refusal: string][] = [
    [
      { accessEdgeConfiguration: {} },
      'fabrikam.com message federation-disabled accessEdgeConfiguration.allowFederatedUsers',
    ],
    [{ xmppAllowedPartners: [] }, ' message partner-not-allowed xmppAllowedPartners'],
    [
      { xmppAllowedPartners: [{ ...fabrikam, allowedStanzaKinds: ['iq'] }] },
      'fabrikam.com message stanza-kind-not-allowed xmppAllowedPartners[0].allowedStanzaKinds',
    ],
    [{ grants: [] }, 'fabrikam.com message user-federation-denied externalAccessPolicies'],
  ];
  for (const [changes, refusal] of cases) {
    const bench = new Bench(changes);
    assert.deepEqual(bench.send(), ['403'], refusal);
    assert.deepEqual(bench.toPartner, []);
    assert.deepEqual(bench.refusals(), [`outbound ${refusal}`]);
  }
});

test('a PublicUnverified partner hears from our users, and its errors reach them', () => {
  const bench = new Bench({ xmppAllowedPartners: [{ domain: 'fabrikam.com' }] });
  assert.deepEqual(bench.send(), ['200']);
  bench.receive(bounce('id1', 'juliet@fabrikam.com', 'ann@contoso.com'));
  assert.deepEqual(
    bench.toPool.map(({ body }) => body),
    ['Your message was not delivered: the recipient is not available now.'],
  );
});

test('messages of the pool with addresses of no use are refused and observed (P5, P8)', () => {
  const cases: [changes: Partial<SipPageMessage>, answer: string][] = [
    [{ from: 'sip:eve@elsewhere.com' }, '403 Forbidden'],
    [{ from: 'sips:ann@contoso.com' }, '416 Unsupported URI Scheme'],
    [{ requestUri: 'sip:bob@contoso.com', to: 'sip:bob@contoso.com' }, '482 Loop Detected'],
    [{ requestUri: 'sip:fabrikam.com', to: 'sip:fabrikam.com' }, '404 Not Found'],
    [{ from: 'sip:%00@contoso.com' }, '400 Bad From Address'],
  ];
  for (const [changes, answer] of cases) {
    const bench = new Bench();
    assert.deepEqual(bench.send(changes), [answer]);
    assert.deepEqual(bench.toPartner, []);
    const [seen] = bench.seen;
    assert.equal(seen?.type === 'pool-message-refused' && `${seen.status} ${seen.reason}`, answer);
  }
});

test('what cannot be translated is refused, counted and not sent', () => {
  const bench = new Bench();
  assert.deepEqual(bench.send({ contentType: 'image/png' }), ['415 Unsupported Media Type']);
  assert.deepEqual(bench.send({ body: '' }), ['200']);
  assert.deepEqual(bench.toPartner, []);
  assert.equal(bench.traffic.of({ partner: parsedPartner(), path: '' }).xmppFailures, 1);
  bench.receive(message('ann@contoso.com', { type: 'groupchat' })).receive(message('ann@contoso.com', { body: '' }));
  assert.deepEqual(bench.toPartner.map(errorOf), ['cancel feature-not-implemented']);
  assert.deepEqual(bench.toPool, []);
});

// -- A2: what a partner learns about users --------------------------------------------------------------------------

const TOO_LARGE = 'x'.repeat(2_000);
/** Everything a partner may send to a user, with `USER` for the user's localpart. */
const PROBES: readonly string[] = [
  message('USER@contoso.com'),
  message('USER@contoso.com/desk', { type: 'normal' }),
  message('USER@contoso.com', { type: 'headline', from: 'fabrikam.com' }),
  message('USER@contoso.com', { type: 'groupchat' }),
  message('USER@contoso.com', { body: '', more: "<active xmlns='http://jabber.org/protocol/chatstates'/>" }),
  message('USER@contoso.com', { body: '', more: "<encrypted xmlns='urn:xmpp:omemo:2'><payload/></encrypted>" }),
  message('USER@contoso.com', { body: TOO_LARGE }),
  message('USER@contoso.com', { type: 'error' }),
  "<message from='juliet@fabrikam.com' to='USER@contoso.com'><body>no id, no type</body></message>",
  ...['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'probe', 'unavailable', 'error', 'nonsense'].map(
    (type) => `<presence from='juliet@fabrikam.com' to='USER@contoso.com' type='${type}' id='p1'/>`,
  ),
  "<presence from='juliet@fabrikam.com/x' to='USER@contoso.com'/>",
  ...['get', 'set', 'result', 'error', 'nonsense'].map(
    (type) =>
      `<iq from='juliet@fabrikam.com/x' to='USER@contoso.com' type='${type}' id='q1'><ping xmlns='urn:xmpp:ping'/></iq>`,
  ),
];

/** One user whose policy denies XMPP, one who may use it and does not exist; the names are of one length. */
const TWO_USERS: Partial<FederationConfigProps> = {
  externalAccessPolicies: [
    { identity: 'XmppUsers', enableFederationAccess: true, enableXmppAccess: true },
    { identity: 'NoXmpp', enableFederationAccess: true },
  ],
  grants: [
    { policyName: 'XmppUsers', users: ['contoso.com'] },
    { policyName: 'NoXmpp', users: ['denied@contoso.com'] },
  ],
};

/** What the partner gets to see for each probe, with the user's name taken out. */
function answersFor(user: string, arrange: (bench: Bench) => void, changes = TWO_USERS): readonly string[][] {
  return PROBES.map((probe) => {
    const bench = new Bench(changes, { maxRequestBytes: 1_300 });
    bench.outcome = () => ({ status: 404, reason: 'Nobody here', source: 'response' });
    arrange(bench);
    bench.receive(probe.replace('USER', user));
    return bench.toPartner.map((xml) => xml.replaceAll(user, 'USER'));
  });
}

const poolIs = {
  up: () => {},
  'saying 604': (bench: Bench) => {
    bench.outcome = () => ({ status: 604, reason: 'Does Not Exist Anywhere', source: 'response' });
  },
  down: (bench: Bench) => {
    bench.outage = DOWN;
    bench.outcome = () => DOWN;
  },
} satisfies Record<string, (bench: Bench) => void>;

for (const [state, arrange] of Object.entries(poolIs)) {
  test(`A2: a denied user and one who does not exist look the same while the pool is ${state}`, () => {
    const denied = answersFor('denied', arrange);
    assert.deepEqual(denied, answersFor('nobody', arrange));
    assert.equal(denied.flat().length, 11);
  });
}

test('A2: an unlisted contact of a PublicUnverified partner learns as little', () => {
  const unverified = { ...TWO_USERS, xmppAllowedPartners: [{ domain: 'fabrikam.com' }] };
  for (const arrange of Object.values(poolIs)) {
    assert.deepEqual(answersFor('listed', arrange, unverified), answersFor('nobody', arrange));
  }
});

test('A2: a rate limit, a partner without messages and a switched-off federation answer before the user counts', () => {
  for (const changes of [
    { xmppAllowedPartners: [{ ...fabrikam, messageRateLimit: 1 }] },
    { xmppAllowedPartners: [{ ...fabrikam, allowedStanzaKinds: [] }] },
    { accessEdgeConfiguration: {} },
  ] satisfies Partial<FederationConfigProps>[]) {
    const spend = (bench: Bench): void => {
      bench.receive(message('nobody@contoso.com')).toPartner.length = 0;
    };
    const merged = { ...TWO_USERS, ...changes };
    assert.deepEqual(answersFor('denied', spend, merged), answersFor('nobody', spend, merged));
  }
});

test('A2: the words about our way to the pool stay with us', () => {
  for (const source of ['timeout', 'transport', 'no-next-hop', 'overload', 'stopped'] as const) {
    const bench = new Bench();
    bench.outcome = () => ({ status: source === 'timeout' ? 408 : 503, reason: 'Inner Secrets', source });
    bench.receive(message('ann@contoso.com'));
    assert.doesNotMatch(bench.toPartner.join(), /Inner Secrets|<text/);
    assert.equal(bench.toPartner.length, 1);
  }
});

// -- errors ------------------------------------------------------------------------------------------------------------

function bounce(id: string, from: string, to: string, condition = 'recipient-unavailable'): string {
  const error = `<error type='wait'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`;
  return `<message from='${from}' to='${to}' id='${id}' type='error'>${error}</message>`;
}

test('a failure of the pool becomes a stanza error, its reason the text', () => {
  const expected: [status: number, answer: string][] = [
    [403, 'auth forbidden'],
    [404, 'cancel item-not-found'],
    [415, 'modify not-acceptable'],
    [480, 'wait recipient-unavailable'],
    [486, 'wait recipient-unavailable'],
    [500, 'cancel internal-server-error'],
    [603, 'wait recipient-unavailable'],
  ];
  for (const [status, answer] of expected) {
    const bench = new Bench();
    bench.outcome = () => ({ status, reason: 'Because', source: 'response' });
    bench.receive(message('ann@contoso.com/desk'));
    assert.deepEqual(bench.toPartner.map(errorOf), [answer], String(status));
    assert.match(
      bench.toPartner[0] ?? '',
      /^contoso\.com > fabrikam\.com <message from='ann@contoso\.com\/desk' to='juliet@fabrikam\.com\/x' id='m1' type='error'>/,
    );
    assert.deepEqual(
      bench.seen.map((event) => event.type === 'message-failed' && event.cause),
      [`${status} Because (response)`],
    );
  }
});

test('a partner that cannot be reached becomes a SIP failure, never 408 or 503', () => {
  const expected: [failure: RouteFailure, answer: string][] = [
    [{ condition: 'remote-server-not-found', text: 'no server' }, '404 no server'],
    [{ condition: 'remote-server-timeout', text: 'too late' }, '480 too late'],
    [{ condition: 'resource-constraint', text: 'full' }, '500 full'],
    [{ condition: 'policy-violation', text: 'why', refusal: 'tls-required' }, '403 why'],
    [{ condition: 'resource-constraint', text: 'why', refusal: 'connection-limit' }, '480 why'],
  ];
  for (const [failure, answer] of expected) {
    const bench = new Bench();
    bench.failure = failure;
    assert.deepEqual(bench.send(), [answer]);
    assert.deepEqual(
      bench.seen.map((event) => event.type === 'message-failed' && event.cause),
      [failure.text],
    );
  }
});

test("an error of the partner becomes one notice, in the contact's name", () => {
  const bench = new Bench();
  bench.send({ from: 'sip:ann@contoso.com;gr=desk' });
  bench.receive(bounce('id1', 'juliet@fabrikam.com/phone', 'ann@contoso.com/desk'));
  bench.receive(bounce('id1', 'juliet@fabrikam.com/phone', 'ann@contoso.com/desk'));
  assert.equal(bench.toPool.length, 1);
  const [notice] = bench.toPool;
  assert.deepEqual(
    [notice?.requestUri, notice?.from, notice?.body],
    [
      'sip:ann@contoso.com;gr=desk',
      'sip:juliet@fabrikam.com',
      'Your message was not delivered: the recipient is not available now.',
    ],
  );
  assert.deepEqual(bench.toPartner.length, 1);
});

test("an error in the name of the partner's server reaches the user too", () => {
  const bench = new Bench();
  bench.send();
  bench.receive(bounce('id1', 'fabrikam.com', 'ann@contoso.com', 'remote-server-timeout'));
  assert.deepEqual(
    bench.toPool.map(({ from }) => from),
    ['sip:juliet@fabrikam.com'],
  );
});

test('errors nobody asked for, of other partners or for other users are dropped and believed later', () => {
  const bench = new Bench({
    xmppAllowedPartners: [fabrikam, { domain: 'adatum.com', partnerType: 'Federated' }],
    grants: [{ policyName: 'XmppUsers', users: ['contoso.com'] }],
  });
  bench.send();
  bench
    .receive(bounce('never-sent', 'juliet@fabrikam.com', 'ann@contoso.com'))
    .receive(bounce('', 'juliet@fabrikam.com', 'ann@contoso.com'))
    .receive(bounce('id1', 'eve@adatum.com', 'ann@contoso.com'))
    .receive(bounce('id1', 'juliet@fabrikam.com', 'bob@contoso.com'));
  assert.deepEqual(bench.toPool, []);
  bench.receive(bounce('id1', 'juliet@fabrikam.com', 'ann@contoso.com'));
  assert.equal(bench.toPool.length, 1);
  assert.deepEqual(bench.seen, []);
});

test('an error is not passed on once the message it answers might not be sent any more', () => {
  const bench = new Bench();
  bench.send();
  bench.bridge.apply({ index: indexFederation(sampleFederation({ grants: [] })), maxRequestBytes: undefined });
  bench.receive(bounce('id1', 'juliet@fabrikam.com', 'ann@contoso.com'));
  assert.deepEqual(bench.toPool, []);
  assert.deepEqual(bench.refusals(), ['inbound fabrikam.com message user-federation-denied externalAccessPolicies']);
});

test('errors are never answered with errors (P6)', () => {
  const bench = new Bench();
  bench.outcome = () => ({ status: 500, reason: 'No', source: 'response' });
  bench.send();
  bench.receive(bounce('id1', 'juliet@fabrikam.com', 'ann@contoso.com')); // and the notice fails
  bench.receive(bounce('m', 'juliet@fabrikam.com', 'contoso.com'));
  bench.receive("<iq from='juliet@fabrikam.com/x' to='contoso.com' type='error' id='q'/>");
  bench.receive("<iq from='juliet@fabrikam.com/x' to='ann@contoso.com/y' type='result' id='q'/>");
  assert.equal(bench.toPool.length, 1);
  assert.equal(bench.toPartner.length, 1);
  assert.equal(bench.bridge.underWay, 0);
});

test('an answer that cannot be sent is counted and goes nowhere else', () => {
  const bench = new Bench({ grants: [] });
  bench.failure = { condition: 'resource-constraint', text: 'full' };
  bench.receive(message('ann@contoso.com'));
  assert.equal(bench.traffic.of({ partner: parsedPartner(), path: '' }).lostReplies, 1);
  assert.equal(bench.toPool.length, 0);
});

test('a stanza whose recipient is no address is answered in the name of our domain', () => {
  const bench = new Bench();
  const proof = { ...pair('contoso.com', 'fabrikam.com'), method: 'sasl-over-tls', certificateProves: true } as const;
  const reject = (type: string): void => {
    const xml = `<message xmlns='jabber:server' from='juliet@fabrikam.com/x' to='a@b@contoso.com' id='m1' type='${type}'><body>x</body></message>`;
    bench.bridge.onRejected(parseElement(xml), 'jid-malformed', proof);
  };
  reject('chat');
  reject('error');
  assert.deepEqual(bench.toPartner, [
    "contoso.com > fabrikam.com <message from='contoso.com' to='juliet@fabrikam.com/x' id='m1' type='error'><error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
  ]);
});

// -- limits ------------------------------------------------------------------------------------------------------------

test('messages over the rate of a partner are refused until it has gathered again', () => {
  const bench = new Bench({ xmppAllowedPartners: [{ ...fabrikam, messageRateLimit: 2 }] });
  bench.now = 10_000;
  for (let i = 0; i < 5; i++) bench.receive(message('ann@contoso.com'));
  assert.equal(bench.toPool.length, 2);
  assert.deepEqual(bench.toPartner.map(errorOf), Array(3).fill('wait resource-constraint'));
  assert.deepEqual(
    bench.refusals(),
    Array(3).fill('inbound fabrikam.com message rate-limited xmppAllowedPartners[0].messageRateLimit'),
  );
  bench.now += 500;
  bench.receive(message('ann@contoso.com'));
  assert.equal(bench.toPool.length, 3);
});

test('errors we asked for are free: a partner cannot be cut off from telling us of them', () => {
  const bench = new Bench({ xmppAllowedPartners: [{ ...fabrikam, messageRateLimit: 1 }] });
  for (let i = 1; i <= 3; i++) bench.send();
  for (let i = 1; i <= 3; i++) bench.receive(bounce(`id${i}`, 'juliet@fabrikam.com', 'ann@contoso.com'));
  assert.equal(bench.toPool.length, 3);
});

test('a smaller limit on requests counts from the reload on', () => {
  const bench = new Bench();
  bench.receive(message('ann@contoso.com', { body: TOO_LARGE }));
  assert.equal(bench.toPool.length, 1);
  bench.bridge.apply({ index: indexFederation(sampleFederation()), maxRequestBytes: 1_300 });
  bench.receive(message('ann@contoso.com', { body: TOO_LARGE }));
  assert.equal(bench.toPool.length, 1);
  assert.deepEqual(bench.toPartner.map(errorOf), ['modify policy-violation']);
});

test('what is under way is counted until its fate is known', () => {
  const bench = new Bench();
  bench.outcome = undefined;
  bench.receive(message('ann@contoso.com')).receive(message('ann@contoso.com'));
  assert.equal(bench.bridge.underWay, 2);
  for (const done of bench.open.splice(0)) done(OK);
  assert.equal(bench.bridge.underWay, 0);
});

// -- the domain itself -------------------------------------------------------------------------------------------------

test('a served domain answers for itself', () => {
  const bench = new Bench({ grants: [] });
  bench.receive("<iq from='fabrikam.com' to='contoso.com' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  bench.receive(message('contoso.com')).receive("<presence from='fabrikam.com' to='contoso.com' type='probe'/>");
  assert.deepEqual(bench.toPartner, [
    "contoso.com > fabrikam.com <iq type='result' from='contoso.com' to='fabrikam.com' id='q'></iq>",
    "contoso.com > fabrikam.com <message from='contoso.com' to='juliet@fabrikam.com/x' id='m1' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
  ]);
  assert.deepEqual(bench.toPool, []);
});
