import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALLOW, admitStream, type FederationIndex, indexFederation } from '../../../src/policy/index.ts';
import type { XmlElement } from '../../../src/runtime/xmpp/element.ts';
import type { InboundEvent } from '../../../src/runtime/xmpp/inbound-session.ts';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';
import type { OutboundEvent } from '../../../src/runtime/xmpp/outbound-session.ts';
import type { SessionEvent } from '../../../src/runtime/xmpp/session.ts';
import { sampleFederation } from '../../support/federations.ts';
import {
  channel,
  elementsIn,
  FEATURE,
  headerOf,
  InboundPlay,
  OURS,
  OutboundPlay,
  type PartnerSettings,
  THEIRS,
} from '../../support/stream-sessions.ts';

// Sessions against any order of events: what must never happen, whatever a peer, a reload or the network does.

const OTHER = 'litware.com';
const settings: readonly PartnerSettings[] = [
  {},
  { saslNegotiation: 'Optional' },
  { tlsNegotiation: 'Optional', saslNegotiation: 'Optional' },
  { tlsNegotiation: 'NotSupported', saslNegotiation: 'NotSupported' },
];
/** Some without partners, one with federation switched off. */
const indexes: readonly FederationIndex[] = [
  ...settings.flatMap((one) => [
    [{ domain: THEIRS, ...one }],
    [
      { domain: THEIRS, ...one },
      { domain: OTHER, ...one },
    ],
  ]),
  [],
]
  .map((xmppAllowedPartners) =>
    sampleFederation({ domains: [{ domain: OURS }, { domain: 'corp.example' }], xmppAllowedPartners }),
  )
  .concat(sampleFederation({ accessEdgeConfiguration: {} }))
  .map(indexFederation);

const elements: readonly XmlElement[] = elementsIn(
  [
    `<starttls xmlns='${NS.tls}'/>`,
    `<proceed xmlns='${NS.tls}'/>`,
    `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`,
    `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>bGl0d2FyZS5jb20=</auth>`,
    `<success xmlns='${NS.sasl}'/>`,
    `<failure xmlns='${NS.sasl}'/>`,
    `<stream:features/>`,
    `<stream:features>${FEATURE.starttls}${FEATURE.dialback}</stream:features>`,
    `<stream:features>${FEATURE.external}${FEATURE.dialback}</stream:features>`,
    `<stream:error><conflict xmlns='${NS.streamErrors}'/></stream:error>`,
    ...[THEIRS, OTHER, OURS].flatMap((from) => [
      `<db:result from='${from}' to='${OURS}'>key</db:result>`,
      `<db:result from='${from}' to='${OURS}' type='valid'/>`,
      `<db:result from='${from}' to='${OURS}' type='invalid'/>`,
      `<db:result from='${from}' to='corp.example'>key</db:result>`,
      `<db:verify from='${from}' to='${OURS}' id='1'>key</db:verify>`,
      `<db:verify from='${from}' to='${OURS}' id='1' type='valid'/>`,
      `<db:verify from='${from}' to='${OURS}' id='2' type='error'/>`,
      `<message from='a@${from}' to='b@${OURS}'/>`,
      `<presence from='a@${from}' to='b@corp.example'/>`,
      `<iq from='${from}' to='@@' id='1' type='get'/>`,
    ]),
    '<message/>',
    "<x xmlns='urn:x'/>",
  ].join(''),
);

const securities = [channel(THEIRS), channel(OTHER, THEIRS), channel()];
const headers = [
  { from: THEIRS, to: OURS, version: '1.0', id: '1' },
  { from: OTHER, to: OURS, version: '1.0', id: '2' },
  { from: THEIRS, to: OURS, id: '1' },
  { to: OURS, version: '1.0', id: '3' },
  { from: THEIRS, to: 'victim.example', version: '1.0' },
].map(headerOf);

const shared: fc.Arbitrary<SessionEvent> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...headers).map((header) => ({ type: 'header', header }) as const) },
  { weight: 16, arbitrary: fc.constantFrom(...elements).map((element) => ({ type: 'element', element }) as const) },
  { weight: 3, arbitrary: fc.constantFrom(...securities).map((security) => ({ type: 'secured', security }) as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<SessionEvent>(
      { type: 'reconsider' },
      { type: 'stream-end' },
      { type: 'broken', condition: 'not-well-formed', text: '' },
      { type: 'timeout', what: 'establishment' },
      { type: 'timeout', what: 'inactivity' },
      { type: 'shutdown' },
      { type: 'disconnected', detail: '' },
    ),
  },
);
const opened = fc
  .option(fc.constantFrom(...securities), { nil: undefined })
  .map((security) => ({ type: 'opened', security }) as const);
const dialbackAnswer = fc
  .record({
    streamId: fc.constantFrom('stream-1', 'stream-2', 'stream-3'),
    remoteDomain: fc.constantFrom(THEIRS, OTHER),
    localDomain: fc.constantFrom(OURS, 'corp.example'),
    type: fc.constantFrom('valid', 'invalid', 'error'),
  })
  .map(({ type, ...question }): InboundEvent => {
    const answer = type === 'error' ? ({ type, condition: 'not-acceptable' } as const) : ({ type } as const);
    return { type: 'dialback-answer', ...question, answer };
  });

/** An event, after which another configuration may be in force. */
interface Turn<Event> {
  readonly event: Event;
  readonly index: number | undefined;
}

/** Undefined but for one time in so many. */
function rarely<T>(arbitrary: fc.Arbitrary<T>, oneIn: number): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/** A conversation as it should go, cut or with an event left out, and then anything. */
function turnsOf<Event>(
  scenarios: readonly (readonly Event[])[],
  any: fc.Arbitrary<Event>,
): fc.Arbitrary<Turn<Event>[]> {
  const index = rarely(fc.nat(indexes.length - 1), 15);
  const turn = (event: fc.Arbitrary<Event>) => fc.record({ event, index });
  return fc
    .record({
      scenario: fc.constantFrom(...scenarios),
      length: fc.nat(8),
      leftOut: rarely(fc.nat(8), 3),
      rest: fc.array(turn(any), { maxLength: 12 }),
      changes: fc.array(index, { minLength: 8, maxLength: 8 }),
    })
    .map(({ scenario, length, leftOut, rest, changes }) => [
      ...scenario
        .slice(0, scenario.length - (length > 5 ? length - 5 : 0))
        .map((event, i) => ({ event, index: changes[i] }))
        .filter((_, i) => i !== leftOut),
      ...rest,
    ]);
}

const told = (xml: string) => elementsIn(xml).map((element) => ({ type: 'element', element }) as const);
const header = { type: 'header', header: headerOf({ from: THEIRS, to: OURS, version: '1.0', id: '1' }) } as const;
const clear = { type: 'opened', security: undefined } as const;
const trusted = channel(OTHER, THEIRS);
const secured = { type: 'secured', security: trusted } as const;
const dialbackRequest = told(`<db:result from='${THEIRS}' to='${OURS}'>key</db:result>`);
const messages = told(`<message from='a@${THEIRS}' to='b@${OURS}'/>`);
const external = told(`<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`);
const yes = (streamId: string, remoteDomain = THEIRS) =>
  ({ type: 'dialback-answer', streamId, remoteDomain, localDomain: OURS, answer: { type: 'valid' } }) as const;

const inboundScenarios: readonly (readonly InboundEvent[])[] = [
  [clear, header, ...dialbackRequest, yes('stream-1'), ...messages],
  [clear, header, ...told(`<starttls xmlns='${NS.tls}'/>`), secured, header, ...external, header, ...messages],
  [{ type: 'opened', security: trusted }, header, ...external, header, ...messages],
  [{ type: 'opened', security: channel() }, header, ...dialbackRequest, yes('stream-1'), ...messages],
  [
    clear,
    header,
    ...dialbackRequest,
    ...told(`<db:result from='${OTHER}' to='${OURS}'>key</db:result>`),
    yes('stream-1', OTHER),
    yes('stream-1'),
    ...told(`<message from='a@${OTHER}' to='b@${OURS}'/>`),
  ],
];

const offer = (...features: string[]) => told(`<stream:features>${features.join('')}</stream:features>`);
const success = told(`<success xmlns='${NS.sasl}'/>`);
const question = { type: 'verify', streamId: '1', key: 'key' } as const;
const verified = told(`<db:verify from='${THEIRS}' to='${OURS}' id='1' type='valid'/>`);
const outboundScenarios: readonly (readonly OutboundEvent[])[] = [
  [clear, header, ...offer(FEATURE.dialback), ...told(`<db:result from='${THEIRS}' to='${OURS}' type='valid'/>`)],
  [{ type: 'opened', security: trusted }, header, ...offer(FEATURE.external), ...success, header, ...offer()],
  [
    clear,
    header,
    ...offer(FEATURE.starttls),
    ...told(`<proceed xmlns='${NS.tls}'/>`),
    secured,
    header,
    ...offer(FEATURE.dialback),
    ...told(`<db:result from='${THEIRS}' to='${OURS}' type='valid'/>`),
  ],
  [clear, header, ...offer(), question, ...verified],
  [{ type: 'opened', security: trusted }, header, ...offer(), question, ...verified],
];

const firstIndex = fc.nat(indexes.length - 2);

test('inbound: nothing is delivered that is not proved and allowed at that moment; the end is the end', () => {
  const event: fc.Arbitrary<InboundEvent> = fc.oneof(
    { weight: 1, arbitrary: opened },
    { weight: 20, arbitrary: shared },
    { weight: 5, arbitrary: dialbackAnswer },
  );
  let deliveries = 0;
  fc.assert(
    fc.property(firstIndex, turnsOf(inboundScenarios, event), (start, turns) => {
      const play = new InboundPlay(at(start));
      const proved = new Set<string>();
      let hasEnded = false;
      for (const { event, index } of turns) {
        play.tell(event);
        if (hasEnded) assert.deepEqual(play.last, [], 'closed absorbs everything');
        for (const effect of play.last) {
          assert.ok(!hasEnded, 'nothing follows a close');
          if (effect.do === 'close') hasEnded = true;
          if (effect.do === 'admitted') {
            assert.equal(admitStream({ direction: 'inbound', ...effect.proof }, play.index), ALLOW);
            assert.notEqual(effect.proof.remoteDomain, OURS);
            proved.add(`${effect.proof.remoteDomain} ${effect.proof.localDomain}`);
          }
          if (effect.do === 'deliver') {
            deliveries += 1;
            assert.ok(proved.has(`${effect.from.domain} ${effect.to.domain}`), 'delivered only after it was admitted');
            assert.equal(admitStream({ direction: 'inbound', ...effect.proof }, play.index), ALLOW);
          }
        }
        assert.equal(play.state.at === 'closed', hasEnded);
        if (index === undefined) continue;
        play.index = at(index);
        play.tell({ type: 'reconsider' });
        hasEnded ||= play.state.at === 'closed';
      }
    }),
    { numRuns: 10_000 },
  );
  assert.ok(deliveries > 500, 'the events are such that something gets through');
});

test('outbound: nothing is admitted that the peer and the policy did not both grant; questions are answered once', () => {
  const verify = fc.constantFrom('1', '2').map((streamId): OutboundEvent => ({ type: 'verify', streamId, key: 'key' }));
  const event: fc.Arbitrary<OutboundEvent> = fc.oneof(
    { weight: 1, arbitrary: opened },
    { weight: 20, arbitrary: shared },
    { weight: 2, arbitrary: verify },
  );
  const counts = { admitted: 0, verified: 0 };
  const purpose = fc.constantFrom('stanzas', 'verify');
  fc.assert(
    fc.property(firstIndex, purpose, turnsOf(outboundScenarios, event), (start, forWhat, turns) => {
      const play = new OutboundPlay(at(start), forWhat);
      const open = new Map<string, number>();
      let hasEnded = false;
      let isGranted = false;
      for (const { event, index } of turns) {
        if (event.type === 'verify' && play.state.at === 'verifying') open.set(event.streamId, 1);
        if (event.type === 'element') isGranted ||= grants(event.element);
        const wasVerifying = play.state.at === 'verifying';
        play.tell(event);
        for (const effect of play.last) {
          assert.ok(!hasEnded, 'nothing follows a close');
          if (effect.do === 'close') hasEnded = true;
          if (effect.do === 'admitted') {
            counts.admitted += 1;
            assert.equal(forWhat, 'stanzas');
            assert.ok(isGranted, 'the peer said success, or valid for our pair');
            assert.equal(admitStream({ direction: 'outbound', ...effect.proof }, play.index), ALLOW);
          }
          if (effect.do === 'verified' && wasVerifying) {
            counts.verified += 1;
            assert.ok(open.delete(effect.streamId), 'only what was asked, and once');
          }
        }
        assert.equal(play.state.at === 'closed', hasEnded);
        if (index === undefined) continue;
        play.index = at(index);
        play.tell({ type: 'reconsider' });
        hasEnded ||= play.state.at === 'closed';
      }
    }),
    { numRuns: 10_000 },
  );
  assert.ok(counts.admitted > 100 && counts.verified > 50, 'the events are such that something gets through');
});

function grants(element: XmlElement): boolean {
  if (element.ns === NS.sasl) return element.name === 'success';
  return element.ns === NS.dialback && element.attr('type') === 'valid' && element.attr('from') === THEIRS;
}

function at(index: number): FederationIndex {
  const found = indexes[index];
  assert.ok(found);
  return found;
}
