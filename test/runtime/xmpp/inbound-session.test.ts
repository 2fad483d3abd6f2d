import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AuthMethod, refuse } from '../../../src/policy/index.ts';
import { dialbackKey } from '../../../src/runtime/xmpp/dialback.ts';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';
import type { ChannelSecurity } from '../../../src/runtime/xmpp/session.ts';
import { NEGOTIATION_ROWS } from '../../support/negotiation-rows.ts';
import {
  channel,
  elementsIn,
  FEATURE,
  type HeaderFields,
  headerOf,
  InboundPlay,
  indexWith,
  LENIENT,
  OURS,
  type PartnerSettings,
  reasonOf,
  SECRET,
  streamErrorIn,
  THEIRS,
  uncheckedIndexWith,
} from '../../support/stream-sessions.ts';

const EXTERNAL_ONLY: PartnerSettings = { supportDialbackNegotiation: false };
const AUTH = (text: string) => `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>${text}</auth>`;
const MESSAGE = `<message from='ann@${THEIRS}/x' to='bob@${OURS}'><body>hi</body></message>`;
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** A stream with fabrikam.com proved by EXTERNAL. */
function provedByExternal(settings: PartnerSettings = LENIENT): InboundPlay {
  return new InboundPlay(indexWith(settings)).open(channel(THEIRS)).authenticate();
}

/** A stream in clear with fabrikam.com proved by dialback. */
function provedInClear(): InboundPlay {
  return new InboundPlay(indexWith(LENIENT)).open(undefined).dialback('valid');
}

describe('the stream header', () => {
  const refusals: readonly (readonly [name: string, fields: HeaderFields, streamError: string, reason: string])[] = [
    ['no to', { from: THEIRS, version: '1.0' }, 'improper-addressing', 'improper-addressing'],
    ['to is no domain', { from: THEIRS, to: 'a b', version: '1.0' }, 'improper-addressing', 'improper-addressing'],
    ['to is not served', { from: THEIRS, to: 'litware.com', version: '1.0' }, 'host-unknown', 'domain-not-served'],
    ['from is no domain', { from: '127.0.0.1', to: OURS, version: '1.0' }, 'invalid-from', 'invalid-from'],
    [
      'from is no partner',
      { from: 'litware.com', to: OURS, version: '1.0' },
      'policy-violation',
      'partner-not-allowed',
    ],
    ['from is our own domain', { from: OURS, to: OURS, version: '1.0' }, 'invalid-from', 'own-domain-as-partner'],
    [
      'content namespace of clients',
      { from: THEIRS, to: OURS, version: '1.0', defaultNs: NS.client },
      'invalid-namespace',
      'invalid-namespace',
    ],
  ];
  for (const [name, fields, streamError, reason] of refusals) {
    test(`${name}: ${streamError}`, () => {
      const play = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(undefined, fields);
      assert.equal(play.did, 'close');
      assert.equal(reasonOf(play.ending), reason);
      assert.match(play.said, /^<\?xml version='1\.0'\?><stream:stream /, 'an error needs a stream');
      assert.equal(streamErrorIn(play.said), streamError);
      assert.doesNotMatch(play.said, /<stream:features>/, 'nothing is told to who is refused');
    });
  }

  test('a domain that is not ours is not spoken as', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined, { from: THEIRS, to: 'litware.com' });
    assert.doesNotMatch(play.said, /litware/);
  });

  test('D4: case, IDN and a trailing dot name the same domain', () => {
    const index = indexWith(
      {},
      {
        domains: [{ domain: 'bücher.example' }],
        grants: [],
        xmppAllowedPartners: [{ domain: 'straße.example', supportDialbackNegotiation: false }],
      },
    );
    for (const [from, to] of [
      ['Straße.EXAMPLE.', 'BÜCHER.example'],
      ['XN--STRAE-OQA.example', 'xn--bcher-kva.example.'],
    ] as const) {
      const play = new InboundPlay(index).open(undefined, { from, to, version: '1.0' });
      assert.equal(play.did, 'send');
      assert.match(play.said, /from='xn--bcher-kva\.example' to='xn--strae-oqa\.example'/);
    }
  });

  test('answers with an id of its own, and features only to a peer that knows them', () => {
    const modern = new InboundPlay(indexWith(LENIENT)).open(undefined);
    assert.match(modern.said, / id='stream-1' version='1\.0' /);
    assert.match(modern.said, /<stream:features>.*<\/stream:features>$/);
    for (const version of [undefined, '0.9', '', 'x']) {
      const fields = { from: THEIRS, to: OURS, ...(version === undefined ? {} : { version }) };
      const old = new InboundPlay(indexWith(LENIENT)).open(undefined, fields);
      assert.equal(old.state.at, 'negotiating');
      assert.doesNotMatch(old.said.slice(20), /version=|features/, `version ${version}`);
    }
  });

  test('a 0.9 peer may do dialback in clear', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined, { from: THEIRS, to: OURS }).dialback('valid');
    assert.equal(play.did, 'send admitted');
  });

  test('limits of stanza size and silence are announced (XEP-0478)', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
    assert.match(play.said, /<max-bytes>65536<\/max-bytes><idle-seconds>600<\/idle-seconds>/);
  });

  test('a second header, or one after the end, changes nothing for the better', () => {
    const header = { type: 'header', header: headerOf({ from: THEIRS, to: OURS, version: '1.0' }) } as const;
    const play = provedByExternal().tell(header);
    assert.equal(reasonOf(play.ending), 'bad-format');
    assert.equal(play.tell(header, { type: 'reconsider' }).did, '');
  });

  test('a partner with all its streams in use gets no other', () => {
    const limitFor = () => refuse('partner-connection-limit', 'xmppAllowedPartners[0].connectionLimit');
    const play = new InboundPlay(indexWith(LENIENT), { limitFor }).open(undefined);
    assert.equal(streamErrorIn(play.said), 'resource-constraint');
    assert.deepEqual(play.ending, {
      why: 'refused',
      reason: 'partner-connection-limit',
      path: 'xmppAllowedPartners[0].connectionLimit',
      detail: THEIRS,
    });
  });

  test('a channel on which nothing can prove the domain is refused at once, with the reason', () => {
    const open = (settings: PartnerSettings, ...names: string[]) =>
      reasonOf(new InboundPlay(indexWith(settings)).open(channel(...names)).ending);
    assert.equal(open(EXTERNAL_ONLY), 'certificate-not-valid');
    assert.equal(open(EXTERNAL_ONLY, 'litware.com'), 'certificate-name-mismatch');
    assert.equal(open(EXTERNAL_ONLY, THEIRS), undefined);
    assert.equal(
      open({ tlsNegotiation: 'NotSupported', saslNegotiation: 'NotSupported' }, THEIRS),
      'tls-not-supported',
    );
  });
});

/** Which methods come to an admitted stream when the partner tries exactly that one. */
function attempt(settings: PartnerSettings, method: AuthMethod): InboundPlay {
  const play = new InboundPlay(uncheckedIndexWith(settings));
  switch (method) {
    case 'sasl-over-tls':
      return play.open(channel(THEIRS)).authenticate();
    case 'tls-dialback':
      return play.open(channel()).dialback('valid');
    case 'tcp-dialback':
      return play.open(undefined).dialback('valid');
  }
}

describe('the 18 negotiation rows, inbound', () => {
  for (const { tls, sasl, dialback, methods } of NEGOTIATION_ROWS) {
    const settings = { tlsNegotiation: tls, saslNegotiation: sasl, supportDialbackNegotiation: dialback };

    test(`TLS ${tls}, SASL ${sasl}, dialback ${dialback}: features`, () => {
      const features = (security?: ChannelSecurity) =>
        new InboundPlay(uncheckedIndexWith(settings)).open(security).said;
      const clear = features();
      assert.equal(clear.includes('<starttls'), tls !== 'NotSupported');
      assert.equal(clear.includes('<required/>'), tls === 'Required');
      assert.ok(!clear.includes('<mechanism'), 'EXTERNAL is never offered in clear');
      assert.equal(clear.includes(FEATURE.dialback), methods.includes('tcp-dialback'));

      const secured = features(channel(THEIRS));
      assert.ok(!secured.includes('<starttls'));
      assert.equal(secured.includes(FEATURE.external), methods.includes('sasl-over-tls'));
      assert.equal(secured.includes(FEATURE.dialback), methods.includes('tls-dialback'));
      assert.ok(!features(channel()).includes('<mechanism'), 'EXTERNAL is offered only where it would succeed');
    });

    test(`TLS ${tls}, SASL ${sasl}, dialback ${dialback}: ${methods.join(', ') || 'no method'} admitted`, () => {
      for (const method of ['sasl-over-tls', 'tls-dialback', 'tcp-dialback'] as const) {
        const play = attempt(settings, method);
        const admitted = play.effects.find((effect) => effect.do === 'admitted');
        assert.equal(admitted !== undefined, methods.includes(method), method);
        if (admitted?.do === 'admitted') assert.equal(admitted.proof.method, method);
        play.hear(MESSAGE);
        assert.equal(play.everDid('deliver'), methods.includes(method), method);
      }
    });
  }
});

describe('STARTTLS', () => {
  const STARTTLS = `<starttls xmlns='${NS.tls}'/>`;

  test('goes on with a new stream, and forgets what was said in clear', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).dialback(undefined).hear(STARTTLS);
    assert.equal(play.did, 'send start-tls');
    assert.equal(play.said, `<proceed xmlns='${NS.tls}'/>`);
    play.tell({ type: 'secured', security: channel(THEIRS) });
    assert.equal(play.state.at, 'awaiting-header');
    const header = headerOf({ from: THEIRS, to: OURS, version: '1.0' });
    assert.match(play.tell({ type: 'header', header }).said, /EXTERNAL/);
  });

  test('T3: whatever stands behind the request has no stream to belong to', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(STARTTLS + MESSAGE);
    assert.equal(play.did, 'close');
    assert.equal(play.said, '', 'nothing is written into a handshake');
    assert.equal(reasonOf(play.ending), 'bad-format');
    assert.equal(play.tell({ type: 'secured', security: channel(THEIRS) }).did, '');
  });

  test('is refused where it was not offered, and twice', () => {
    const notSupported = { tlsNegotiation: 'NotSupported', saslNegotiation: 'NotSupported' } as const;
    const plays = [
      new InboundPlay(indexWith(notSupported)).open(undefined),
      new InboundPlay(indexWith(LENIENT)).open(channel(THEIRS)),
      provedInClear(),
    ];
    for (const play of plays) {
      play.hear(STARTTLS);
      assert.equal(play.said, `<failure xmlns='${NS.tls}'/></stream:stream>`);
      assert.equal(reasonOf(play.ending), 'policy-violation');
    }
  });
});

describe('T1: TLS is required and the partner goes on without', () => {
  const attempts = {
    'db:result': `<db:result from='${THEIRS}' to='${OURS}'>key</db:result>`,
    'a stanza': MESSAGE,
    SASL: AUTH('='),
  };
  for (const [name, xml] of Object.entries(attempts)) {
    test(`T1: straight to ${name}: policy-violation`, () => {
      const play = new InboundPlay(indexWith({ saslNegotiation: 'Optional' })).open(undefined).hear(xml);
      assert.equal(play.did, 'close');
      assert.equal(streamErrorIn(play.said), 'policy-violation');
      assert.deepEqual(play.ending, {
        why: 'refused',
        reason: 'tls-required',
        path: 'xmppAllowedPartners[0].tlsNegotiation',
        detail: THEIRS,
      });
      assert.ok(!play.everDid('admitted') && !play.everDid('verify-dialback'));
    });
  }
});

describe('SASL EXTERNAL', () => {
  test('proves the sender of the header and starts a new stream', () => {
    const play = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS)).hear(AUTH(base64(THEIRS)));
    assert.equal(play.did, 'send restart');
    assert.equal(play.said, `<success xmlns='${NS.sasl}'/>`);
    play.tell({ type: 'header', header: headerOf({ from: THEIRS, to: OURS, version: '1.0' }) });
    assert.equal(play.did, 'send admitted');
    assert.match(play.said, /id='stream-2'/, 'another stream, another id');
    assert.doesNotMatch(play.said, /mechanisms/);
    assert.equal(play.hear(MESSAGE).did, 'deliver');
  });

  for (const [name, authzid] of [
    ['=', '='],
    ['empty', ''],
    ['the domain', base64(THEIRS)],
    ['the domain in upper case with a dot', base64('FABRIKAM.COM.')],
  ] as const) {
    test(`T9: authorization identity ${name}: the stream's sender`, () => {
      assert.equal(
        new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS)).authenticate(authzid).state.at,
        'open',
      );
    });
  }

  for (const [name, authzid, condition] of [
    ['another domain', base64('litware.com'), 'invalid-authzid'],
    ['our domain', base64(OURS), 'invalid-authzid'],
    ['a user', base64(`ann@${THEIRS}`), 'invalid-authzid'],
    ['no UTF-8', Buffer.from([0xff, 0xfe]).toString('base64'), 'invalid-authzid'],
    ['no base64', 'fabrikam.com!', 'incorrect-encoding'],
    ['too long', 'A'.repeat(3_000), 'incorrect-encoding'],
  ] as const) {
    test(`T9: authorization identity ${name}: ${condition}`, () => {
      const play = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS, 'litware.com')).hear(AUTH(authzid));
      assert.equal(play.said, `<failure xmlns='${NS.sasl}'><${condition}/></failure>`);
      assert.equal(play.state.at, 'negotiating');
    });
  }

  test('T9: a header without sender has nobody to authenticate: not-authorized', () => {
    const play = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS), { to: OURS, version: '1.0' });
    assert.doesNotMatch(play.said, /EXTERNAL/);
    assert.match(play.hear(AUTH(base64(THEIRS))).said, /<not-authorized\/>/);
  });

  test('T9: with a certificate of many domains, the header decides which one is proved', () => {
    const play = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel('litware.com', THEIRS)).authenticate();
    assert.deepEqual(
      play.last.find((effect) => effect.do === 'admitted'),
      {
        do: 'admitted',
        proof: { localDomain: OURS, remoteDomain: THEIRS, method: 'sasl-over-tls', certificateProves: true },
      },
    );
    const other = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel('litware.com', THEIRS));
    other.hear(AUTH('=')).tell({ type: 'header', header: headerOf({ from: 'litware.com', to: OURS, version: '1.0' }) });
    assert.equal(streamErrorIn(other.said), 'invalid-from');
  });

  test('a certificate that proves nothing: failure, told to the operator, and dialback is still open', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(channel('litware.com')).hear(AUTH('='));
    assert.match(play.said, /<not-authorized\/>/);
    assert.deepEqual(play.last[1], {
      do: 'pair-refused',
      remoteDomain: THEIRS,
      ending: {
        why: 'refused',
        reason: 'certificate-name-mismatch',
        path: 'xmppAllowedPartners[0].trustAnchors',
        detail: 'certificate is for another domain',
      },
    });
    assert.equal(play.dialback('valid').state.at, 'open');
  });

  test('other mechanisms, aborts and missing encryption', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(channel(THEIRS));
    assert.match(play.hear(`<auth xmlns='${NS.sasl}' mechanism='PLAIN'>AGEAYg==</auth>`).said, /<invalid-mechanism\/>/);
    assert.match(play.hear(`<abort xmlns='${NS.sasl}'/>`).said, /<aborted\/>/);
    const clear = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(AUTH('='));
    assert.match(clear.said, /<encryption-required\/>/);
    assert.equal(clear.state.at, 'negotiating');
  });

  test('three tries, then the stream ends', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(channel());
    assert.equal(play.hear(AUTH('=')).hear(AUTH('=')).state.at, 'negotiating');
    play.hear(AUTH('='));
    assert.equal(streamErrorIn(play.said), 'policy-violation');
    assert.equal(play.state.at, 'closed');
  });

  test('is over once the stream is proved', () => {
    assert.equal(reasonOf(provedByExternal().hear(AUTH('=')).ending), 'policy-violation');
  });

  test('T10: a connection that is interrupted proves nothing, whatever comes late', () => {
    const gone = { type: 'disconnected', detail: 'reset' } as const;
    const securing = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(undefined).hear(`<starttls xmlns='${NS.tls}'/>`);
    assert.equal(securing.tell(gone).did, 'close');
    assert.equal(securing.tell({ type: 'secured', security: channel(THEIRS) }).did, '');
    const authenticated = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS)).hear(AUTH('='));
    authenticated.tell(gone, { type: 'header', header: headerOf({ from: THEIRS, to: OURS, version: '1.0' }) });
    assert.ok(!authenticated.everDid('admitted'));
  });

  test('T10: the policy is asked again when the new stream starts', () => {
    const play = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS)).hear(AUTH('='));
    play.index = indexWith({ saslNegotiation: 'NotSupported', supportDialbackNegotiation: true });
    play.tell({ type: 'header', header: headerOf({ from: THEIRS, to: OURS, version: '1.0' }) });
    assert.equal(play.did, 'send close');
    assert.equal(reasonOf(play.ending), 'method-not-allowed');
    assert.match(play.said, /^<\?xml .*<stream:error>/, 'the error comes on a stream');
  });
});

describe('dialback', () => {
  const result = (from: string, to: string, attributes = '') =>
    `<db:result from='${from}' to='${to}'${attributes}>key</db:result>`;

  test('asks the authoritative server, then admits the pair', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(result(THEIRS, OURS));
    assert.deepEqual(play.last, [
      { do: 'verify-dialback', remoteDomain: THEIRS, localDomain: OURS, streamId: 'stream-1', key: 'key' },
    ]);
    assert.equal(play.hear(result(THEIRS, OURS)).did, '', 'one question at a time');
    const answer = { type: 'valid' } as const;
    play.tell({ type: 'dialback-answer', streamId: 'stream-1', remoteDomain: THEIRS, localDomain: OURS, answer });
    assert.equal(play.did, 'send admitted');
    assert.equal(play.said, `<db:result from='${OURS}' to='${THEIRS}' type='valid'/>`);
    assert.equal(play.hear(result(THEIRS, OURS)).said, `<db:result from='${OURS}' to='${THEIRS}' type='valid'/>`);
    assert.equal(play.did, 'send', 'a proved pair is not looked up again');
  });

  test('D2: an answer where a request belongs, valid or not, proves nothing', () => {
    for (const type of ['valid', 'invalid', 'error', '']) {
      for (const play of [new InboundPlay(indexWith(LENIENT)).open(undefined), provedByExternal()]) {
        const admitted = play.effects.length;
        play.hear(`<db:result type='${type}' from='victim.example' to='${OURS}'/>`);
        assert.equal(play.did, 'close');
        assert.equal(reasonOf(play.ending), 'policy-violation');
        assert.equal(play.effects.length, admitted + 1);
      }
    }
  });

  test('D1: so does an answer to a verification on a stream that we did not open', () => {
    for (const play of [new InboundPlay(indexWith(LENIENT)).open(undefined), provedByExternal()]) {
      play.hear(`<db:verify type='valid' from='${THEIRS}' to='${OURS}' id='stream-1'/>`);
      assert.equal(reasonOf(play.ending), 'policy-violation');
    }
  });

  test('D3: an answer about another stream, another pair or no question is dropped', () => {
    const answer = { type: 'valid' } as const;
    const good = {
      type: 'dialback-answer',
      streamId: 'stream-1',
      remoteDomain: THEIRS,
      localDomain: OURS,
      answer,
    } as const;
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
    assert.equal(play.tell(good).did, '', 'nobody asked');
    play.hear(result(THEIRS, OURS));
    assert.equal(play.tell({ ...good, streamId: 'stream-0' }).did, '');
    assert.equal(play.tell({ ...good, remoteDomain: 'victim.example' }).did, '');
    assert.equal(play.tell({ ...good, localDomain: THEIRS }).did, '');
    assert.equal(play.tell(good).did, 'send admitted');
    assert.equal(play.tell(good).did, '', 'once');
  });

  test('D3: an answer to a question of the stream before STARTTLS does not count for the one after it', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(result(THEIRS, OURS));
    play.hear(`<starttls xmlns='${NS.tls}'/>`).tell({ type: 'secured', security: channel() });
    play
      .tell({ type: 'header', header: headerOf({ from: THEIRS, to: OURS, version: '1.0' }) })
      .hear(result(THEIRS, OURS));
    const late = {
      type: 'dialback-answer',
      remoteDomain: THEIRS,
      localDomain: OURS,
      answer: { type: 'valid' },
    } as const;
    assert.equal(play.tell({ ...late, streamId: 'stream-1' }).did, '');
    assert.equal(play.tell({ ...late, streamId: 'stream-2' }).did, 'send admitted');
  });

  for (const [name, from, condition, reason] of [
    ['not on the list', 'litware.com', 'policy-violation', 'partner-not-allowed'],
    ['not on the list, in upper case', 'LITWARE.COM.', 'policy-violation', 'partner-not-allowed'],
    ['our own', OURS, 'policy-violation', 'own-domain-as-partner'],
    ['our own, in upper case with a dot', 'CONTOSO.com.', 'policy-violation', 'own-domain-as-partner'],
  ] as const) {
    test(`D4: a pair whose domain is ${name}: ${condition}, and the stream stays`, () => {
      const play = provedByExternal().hear(result(from, OURS));
      assert.equal(play.did, 'send pair-refused');
      assert.match(play.said, new RegExp(`type='error'><error type='cancel'><${condition} `));
      const [, told] = play.last;
      assert.equal(told?.do === 'pair-refused' ? told.ending.reason : undefined, reason);
      assert.equal(play.hear(MESSAGE).did, 'deliver');
    });
  }

  test('D4: names in another form are the same pair', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).dialback('valid', 'FABRIKAM.com.', 'Contoso.COM.');
    assert.equal(play.did, 'send admitted');
    assert.equal(play.hear(MESSAGE).did, 'deliver');
  });

  test('D5: a domain that is not ours: item-not-found, and the stream stays', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(result(THEIRS, 'litware.com'));
    assert.match(play.said, /<item-not-found /);
    assert.equal(play.dialback('valid').did, 'send admitted');
  });

  test('D7: a certificate does not stand in for the answer of the authoritative server', () => {
    for (const security of [channel('victim.example'), channel(THEIRS)]) {
      const play = new InboundPlay(indexWith(LENIENT)).open(security).hear(result(THEIRS, OURS));
      assert.equal(play.did, 'verify-dialback');
    }
    // Where only EXTERNAL is allowed, a certificate of another domain proves nothing either way.
    const strict = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(channel('victim.example'));
    assert.equal(streamErrorIn(strict.said), 'not-authorized');
    assert.equal(reasonOf(strict.ending), 'certificate-name-mismatch');
  });

  test('D8: bidirectional streams are not offered, and not taken', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(channel(THEIRS));
    assert.doesNotMatch(play.said, /bidi/);
    assert.equal(reasonOf(play.hear(`<bidi xmlns='${NS.bidi}'/>`).ending), 'unsupported-stanza-type');
  });

  test('an invalid key ends a stream that has nothing else', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).dialback('invalid');
    assert.equal(play.did, 'close');
    assert.match(play.said, /type='invalid'\/><stream:error><not-authorized /);
    assert.equal(reasonOf(play.ending), 'dialback-failed');
  });

  test('and only the pair on a stream that has', () => {
    const index = indexWith(LENIENT, { domains: [{ domain: OURS }, { domain: 'corp.example' }] });
    const play = new InboundPlay(index).open(undefined).dialback('valid').dialback('invalid', THEIRS, 'corp.example');
    assert.equal(play.did, 'send pair-refused');
    assert.equal(play.hear(MESSAGE).did, 'deliver');
    assert.equal(reasonOf(play.hear(`<message from='${THEIRS}' to='bob@corp.example'/>`).ending), 'invalid-from');
  });

  test('an error of the authoritative server is passed on as one of the known conditions', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(result(THEIRS, OURS));
    const answer = { type: 'error', condition: 'remote-server-timeout' } as const;
    play.tell({ type: 'dialback-answer', streamId: 'stream-1', remoteDomain: THEIRS, localDomain: OURS, answer });
    assert.equal(play.did, 'send pair-refused');
    assert.match(play.said, /<remote-server-timeout /);
    assert.equal(play.state.at, 'negotiating');
  });

  test('a key no server would send is not carried to the authoritative server', () => {
    for (const key of ['', ' ', 'a b', 'ä', 'k'.repeat(1_025)]) {
      const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
      play.hear(`<db:result from='${THEIRS}' to='${OURS}'>${key}</db:result>`);
      assert.equal(reasonOf(play.ending), 'bad-format', key);
    }
  });

  test('addresses are needed', () => {
    for (const xml of [`<db:result to='${OURS}'>k</db:result>`, `<db:result from='${THEIRS}' to=''>k</db:result>`]) {
      const play = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(xml);
      assert.equal(reasonOf(play.ending), 'improper-addressing');
    }
  });

  test('an unproved stream causes four look-ups at most', () => {
    const domains = Array.from({ length: 6 }, (_, i) => ({ domain: `ours${i}.example` }));
    const index = indexWith(LENIENT, { domains: [{ domain: OURS }, ...domains], grants: [] });
    const play = new InboundPlay(index).open(undefined);
    for (const { domain } of domains) play.hear(result(THEIRS, domain));
    assert.equal(play.effects.filter((effect) => effect.do === 'verify-dialback').length, 4);
    assert.match(play.said, /<resource-constraint /);
  });

  test('a proved one 64 pairs, and a bounded number of look-ups in its life', () => {
    const domains = Array.from({ length: 80 }, (_, i) => ({ domain: `ours${i}.example` }));
    const index = indexWith(LENIENT, { domains: [{ domain: OURS }, ...domains], grants: [] });
    const play = new InboundPlay(index).open(undefined).dialback('valid');
    for (const { domain } of domains) play.dialback('valid', THEIRS, domain);
    assert.equal(play.effects.filter((effect) => effect.do === 'admitted').length, 64);
    const failing = new InboundPlay(index).open(undefined).dialback('valid');
    for (let i = 0; i < 1_000; i++) failing.dialback('invalid', THEIRS, 'ours0.example');
    assert.equal(failing.effects.filter((effect) => effect.do === 'verify-dialback').length, 256);
    assert.equal(failing.hear(MESSAGE).did, 'deliver');
  });

  test('the limit of a partner is asked again when the answer comes', () => {
    let isFull = false;
    const limitFor = () => (isFull ? refuse('partner-connection-limit', 'path') : undefined);
    const play = new InboundPlay(indexWith(LENIENT), { limitFor }).open(undefined).hear(result(THEIRS, OURS));
    isFull = true;
    const answer = { type: 'valid' } as const;
    play.tell({ type: 'dialback-answer', streamId: 'stream-1', remoteDomain: THEIRS, localDomain: OURS, answer });
    assert.equal(reasonOf(play.ending), 'partner-connection-limit');
    assert.ok(!play.everDid('admitted'));
  });
});

describe('a second pair on one stream', () => {
  const index = indexWith(LENIENT, {
    domains: [{ domain: OURS }, { domain: 'corp.example' }],
    xmppAllowedPartners: [
      { domain: THEIRS, additionalDomains: ['chat.fabrikam.com'], ...LENIENT },
      { domain: 'strict.example', tlsNegotiation: 'Required', saslNegotiation: 'Optional' },
      { domain: 'external.example', tlsNegotiation: 'Required', saslNegotiation: 'Required' },
    ],
  });

  test('another domain of the partner, and another of ours', () => {
    const play = new InboundPlay(index).open(undefined).dialback('valid');
    play.dialback('valid', 'chat.fabrikam.com').dialback('valid', THEIRS, 'corp.example');
    assert.equal(play.hear(`<presence from='ann@chat.fabrikam.com' to='bob@${OURS}'/>`).did, 'deliver');
    assert.equal(play.hear(`<presence from='ann@${THEIRS}' to='bob@corp.example'/>`).did, 'deliver');
    play.hear(`<presence from='ann@chat.fabrikam.com' to='bob@corp.example'/>`);
    assert.equal(reasonOf(play.ending), 'invalid-from', 'two proved pairs do not make a third');
  });

  test('a partner that requires TLS does not ride on a stream in clear', () => {
    const play = new InboundPlay(index).open(undefined).dialback('valid').dialback('valid', 'strict.example');
    assert.equal(play.did, 'send pair-refused');
    assert.match(play.said, /<policy-violation /);
    assert.equal(play.hear(`<message from='a@strict.example' to='b@${OURS}'/>`).did, 'close');
  });

  test('one that requires EXTERNAL does not ride on any', () => {
    const play = new InboundPlay(index).open(channel(THEIRS, 'external.example')).dialback('valid');
    play.dialback('valid', 'external.example');
    assert.equal(play.did, 'send pair-refused');
    assert.match(play.said, /<not-authorized /);
  });

  test('each pair has its own proof', () => {
    const play = new InboundPlay(index).open(channel(THEIRS)).authenticate().dialback('valid', 'strict.example');
    play.hear(`<message from='a@strict.example' to='b@${OURS}'/>`);
    const [effect] = play.last;
    assert.equal(effect?.do === 'deliver' ? effect.proof.method : undefined, 'tls-dialback');
  });
});

describe('as the authoritative server', () => {
  const verify = (from: string, key: string, id = 'their-stream', to = OURS) =>
    `<db:verify from='${from}' to='${to}' id='${id}'>${key}</db:verify>`;
  const key = dialbackKey(SECRET, THEIRS, OURS, 'their-stream');

  test('knows the keys it gave out, also on a stream without sender', () => {
    const fields: readonly HeaderFields[] = [
      { from: THEIRS, to: OURS, version: '1.0' },
      { to: OURS, version: '1.0' },
    ];
    for (const each of fields) {
      const play = new InboundPlay(indexWith(LENIENT)).open(undefined, each).hear(verify(THEIRS, ` ${key}\n`));
      assert.equal(play.said, `<db:verify from='${OURS}' to='${THEIRS}' id='their-stream' type='valid'/>`);
      assert.equal(play.state.at, 'negotiating', 'an answer proves nothing about who asked');
      assert.equal(play.hear(MESSAGE).did, 'close');
    }
  });

  test('D6: a key of another stream, another pair or another secret is invalid', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
    const keys = [
      dialbackKey(SECRET, THEIRS, OURS, 'another-stream'),
      dialbackKey(SECRET, OURS, THEIRS, 'their-stream'),
      dialbackKey('another secret', THEIRS, OURS, 'their-stream'),
      key.toUpperCase(),
      key.slice(1),
      '',
    ];
    for (const each of keys) assert.match(play.hear(verify(THEIRS, each)).said, /type='invalid'/);
  });

  test('answers partners only, encrypted where it has to be, for domains it serves', () => {
    const ask = (settings: PartnerSettings, from = THEIRS, to = OURS) =>
      new InboundPlay(indexWith(settings))
        .open(undefined, { to: OURS, version: '1.0' })
        .hear(verify(from, key, 'i', to));
    assert.match(ask(LENIENT, 'litware.com').said, /type='error'.*<policy-violation /);
    assert.match(ask(LENIENT, THEIRS, 'litware.com').said, /type='error'.*<item-not-found /);
    assert.match(ask({ saslNegotiation: 'Optional' }).said, /type='error'.*<policy-violation /);
    assert.match(ask({ ...LENIENT, supportDialbackNegotiation: false }).said, /type='error'.*<not-authorized /);
    const encrypted = new InboundPlay(indexWith({ tlsNegotiation: 'NotSupported', saslNegotiation: 'NotSupported' }));
    encrypted.open(channel(), { to: OURS, version: '1.0' }).hear(verify(THEIRS, key));
    assert.match(encrypted.said, /type='valid'/, 'more than asked for is fine');
  });

  test('needs addresses and an id', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
    assert.equal(
      reasonOf(play.hear(`<db:verify from='${THEIRS}' to='${OURS}'>k</db:verify>`).ending),
      'improper-addressing',
    );
  });
});

describe('A1: whose stanzas a stream carries', () => {
  const spoofs: readonly (readonly [name: string, xml: string, condition: string])[] = [
    ['another domain', `<message from='a@victim.example' to='b@${OURS}'/>`, 'invalid-from'],
    ['a bare domain of somebody else', `<iq type='get' id='1' from='victim.example' to='${OURS}'/>`, 'invalid-from'],
    ['our own domain', `<message from='ceo@${OURS}' to='b@${OURS}'/>`, 'invalid-from'],
    [
      'the slash of a resource before the at',
      `<message from='victim.example/x@${THEIRS}' to='b@${OURS}'/>`,
      'invalid-from',
    ],
    ['a subdomain of the partner', `<message from='a@chat.${THEIRS}' to='b@${OURS}'/>`, 'invalid-from'],
    ['a domain of ours it was not proved to', `<message from='a@${THEIRS}' to='b@corp.example'/>`, 'invalid-from'],
    ['no sender', `<message to='b@${OURS}'/>`, 'improper-addressing'],
    ['no recipient', `<message from='a@${THEIRS}'/>`, 'improper-addressing'],
    ['a malformed sender', `<message from='a@b@${THEIRS}' to='b@${OURS}'/>`, 'invalid-from'],
    ['an empty sender', `<message from='' to='b@${OURS}'/>`, 'invalid-from'],
  ];
  for (const [name, xml, condition] of spoofs) {
    test(`A1: ${name}: ${condition}, stream closed`, () => {
      const play = provedByExternal().hear(xml);
      assert.equal(play.did, 'close');
      assert.equal(streamErrorIn(play.said), condition);
    });
  }

  test('the partner itself, in any spelling, and its users', () => {
    const play = provedByExternal();
    for (const from of [THEIRS, 'FABRIKAM.com.', `ann@${THEIRS}`, `Ann@${THEIRS}/x@y/z`]) {
      assert.equal(play.hear(`<message from='${from}' to='b@${OURS}'/>`).did, 'deliver', from);
    }
  });

  test('A3: a malformed recipient is an error for the stanza, not for the stream', () => {
    const play = provedByExternal().hear(`<message from='a@${THEIRS}' to='b@c@${OURS}'/>`);
    assert.equal(play.did, 'reject');
    assert.equal(play.hear(MESSAGE).did, 'deliver');
  });

  test('only the three stanzas, and only of the content namespace', () => {
    for (const xml of ['<stanza/>', `<message xmlns='jabber:client' from='a@${THEIRS}' to='b@${OURS}'/>`]) {
      assert.equal(reasonOf(provedByExternal().hear(xml).ending), 'unsupported-stanza-type');
    }
  });
});

describe('before a domain is proved', () => {
  test('no stanza passes', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined).hear(MESSAGE);
    assert.equal(streamErrorIn(play.said), 'not-authorized');
    assert.ok(!play.everDid('deliver'));
  });

  test('X4: a peer has 64 elements', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
    for (let i = 0; i < 64; i++) play.hear(`<db:verify from='${THEIRS}' to='${OURS}' id='${i}'>k</db:verify>`);
    assert.equal(play.state.at, 'negotiating');
    play.hear(`<db:verify from='${THEIRS}' to='${OURS}' id='64'>k</db:verify>`);
    assert.equal(streamErrorIn(play.said), 'policy-violation');
  });

  test('T11: compression is neither offered nor taken', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
    assert.doesNotMatch(play.said, /compress/);
    play.hear("<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>");
    assert.equal(streamErrorIn(play.said), 'unsupported-stanza-type');
  });
});

describe('a changed configuration', () => {
  const without = indexWith({}, { xmppAllowedPartners: [] });

  test('closes a stream whose partner is gone, and nothing more is delivered', () => {
    const play = provedByExternal();
    play.index = without;
    play.tell({ type: 'reconsider' });
    assert.equal(streamErrorIn(play.said), 'policy-violation');
    assert.equal(reasonOf(play.ending), 'partner-not-allowed');
    assert.equal(play.hear(MESSAGE).did, '');
  });

  test('keeps one whose partner stays, closes one whose method is not allowed any more', () => {
    const play = provedInClear();
    play.index = indexWith({ ...LENIENT, description: 'changed' });
    assert.equal(play.tell({ type: 'reconsider' }).did, '');
    play.index = indexWith({ saslNegotiation: 'Optional' });
    assert.equal(reasonOf(play.tell({ type: 'reconsider' }).ending), 'tls-required');
  });

  test('T8: closes one whose certificate proves nothing under the new trust anchors', () => {
    let names = [THEIRS];
    const security = { ...channel(), judge: (domain: string) => channel(...names).judge(domain) };
    const play = new InboundPlay(indexWith(EXTERNAL_ONLY)).open(security).authenticate();
    assert.equal(play.tell({ type: 'reconsider' }).did, '');
    names = [];
    assert.equal(reasonOf(play.tell({ type: 'reconsider' }).ending), 'certificate-not-valid');
  });

  test('takes single pairs off a stream', () => {
    const partners = [
      { domain: THEIRS, ...LENIENT },
      { domain: 'litware.com', ...LENIENT },
    ];
    const play = new InboundPlay(indexWith({}, { xmppAllowedPartners: partners }));
    play.open(undefined).dialback('valid').dialback('valid', 'litware.com');
    play.index = indexWith({}, { xmppAllowedPartners: partners.slice(1) });
    assert.equal(play.tell({ type: 'reconsider' }).did, 'pair-refused');
    assert.equal(play.hear(`<message from='a@litware.com' to='b@${OURS}'/>`).did, 'deliver');
    assert.equal(play.hear(MESSAGE).did, 'close');
  });

  test('an answer that comes after it is judged by it', () => {
    const play = new InboundPlay(indexWith(LENIENT))
      .open(undefined)
      .hear(`<db:result from='${THEIRS}' to='${OURS}'>k</db:result>`);
    play.index = indexWith({ saslNegotiation: 'Optional' });
    assert.equal(play.tell({ type: 'reconsider' }).did, '');
    const answer = { type: 'valid' } as const;
    play.tell({ type: 'dialback-answer', streamId: 'stream-1', remoteDomain: THEIRS, localDomain: OURS, answer });
    assert.equal(reasonOf(play.ending), 'tls-required');
  });

  test('closes a stream that is still negotiating', () => {
    const play = new InboundPlay(indexWith(LENIENT)).open(undefined);
    play.index = without;
    assert.equal(reasonOf(play.tell({ type: 'reconsider' }).ending), 'partner-not-allowed');
  });
});

describe('the end', () => {
  test('says what it can at each stage', () => {
    const timeout = { type: 'timeout', what: 'establishment' } as const;
    const index = indexWith(LENIENT);
    const connecting = new InboundPlay(index).tell(timeout);
    assert.equal(connecting.said, '');
    const silent = new InboundPlay(index).tell({ type: 'opened', security: undefined }, timeout);
    assert.match(silent.said, /^<\?xml .*<stream:error><connection-timeout /);
    const negotiating = new InboundPlay(index).open(undefined).tell(timeout);
    assert.match(negotiating.said, /^<stream:error><connection-timeout .*<\/stream:stream>$/);
    const securing = new InboundPlay(index).open(undefined).hear(`<starttls xmlns='${NS.tls}'/>`).tell(timeout);
    assert.equal(securing.said, '');
    for (const play of [connecting, silent, negotiating, securing]) assert.equal(play.ending?.why, 'timeout');
  });

  test('by the peer, by its error, by broken XML, by us', () => {
    assert.equal(provedByExternal().tell({ type: 'stream-end' }).said, '</stream:stream>');
    const error = `<stream:error><conflict xmlns='${NS.streamErrors}'/><text xmlns='${NS.streamErrors}'>${'x'.repeat(1000)}</text></stream:error>`;
    const failed = provedByExternal().hear(error);
    assert.deepEqual(failed.ending, { why: 'peer-error', condition: 'conflict', detail: 'x'.repeat(256) });
    const broken = provedByExternal().tell({ type: 'broken', condition: 'not-well-formed', text: 'malformed tag' });
    assert.equal(streamErrorIn(broken.said), 'not-well-formed');
    const unproved = new InboundPlay(indexWith(LENIENT)).open(undefined).tell({ type: 'shutdown' });
    assert.equal(streamErrorIn(unproved.said), 'system-shutdown');
  });

  // RFC 6120 section 4.4
  test('by us, but only when the peer has closed it too: what it sent until then is delivered', () => {
    const play = provedByExternal().tell({ type: 'shutdown' });
    assert.equal(play.said, '</stream:stream>');
    assert.equal(play.did, 'send');
    assert.equal(play.hear(MESSAGE).did, 'deliver');
    assert.equal(play.hear(`<db:result from='adatum.com' to='contoso.com'>key</db:result>`).did, '');
    assert.equal(play.tell({ type: 'stream-end' }).said, '');
    assert.deepEqual(play.ending, { why: 'shutdown' });
    const impatient = provedByExternal().tell({ type: 'shutdown' }, { type: 'shutdown' });
    assert.deepEqual([impatient.said, impatient.ending], ['', { why: 'shutdown' }]);
    const broken = provedByExternal().tell({ type: 'shutdown' });
    assert.equal(broken.tell({ type: 'broken', condition: 'not-well-formed', text: '' }).said, '');
    assert.equal(broken.state.at, 'closed');
  });

  test('every closed stream stays closed', () => {
    const play = provedByExternal().tell({ type: 'stream-end' });
    const [message] = elementsIn(MESSAGE);
    assert.ok(message);
    play.tell({ type: 'element', element: message }, { type: 'opened', security: undefined }, { type: 'stream-end' });
    assert.equal(play.did, '');
    assert.equal(play.state.at, 'closed');
  });
});
