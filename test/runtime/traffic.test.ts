import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { indexFederation } from '../../src/policy/index.ts';
import { PartnerTraffic, TrafficLedger } from '../../src/runtime/traffic.ts';
import { sampleFederation } from '../support/federations.ts';

function passedOf(traffic: PartnerTraffic, tries: number, rate: number, now: number): number {
  let passed = 0;
  for (let i = 0; i < tries; i++) if (traffic.mayPass(rate, now)) passed += 1;
  return passed;
}

test('without a rate everything passes', () => {
  const traffic = new PartnerTraffic('fabrikam.com');
  for (let i = 0; i < 100; i++) assert.equal(traffic.mayPass(undefined, 0), true);
});

test('an allowance starts full and gathers for at most one second', () => {
  const traffic = new PartnerTraffic('fabrikam.com');
  assert.equal(passedOf(traffic, 20, 10, 5_000), 10);
  assert.equal(passedOf(traffic, 20, 10, 5_099), 0);
  assert.equal(passedOf(traffic, 20, 10, 5_101), 1);
  assert.equal(passedOf(traffic, 20, 10, 5_501), 4);
  assert.equal(passedOf(traffic, 50, 10, 900_000), 10);
});

test('another rate counts at once', () => {
  const traffic = new PartnerTraffic('fabrikam.com');
  assert.equal(passedOf(traffic, 200, 100, 0), 100);
  assert.equal(passedOf(traffic, 200, 100, 1_000), 100);
  assert.equal(passedOf(traffic, 200, 2, 60_000), 2);
  assert.equal(passedOf(traffic, 200, 100, 60_010), 1);
});

test('a clock that goes back takes nothing away', () => {
  const traffic = new PartnerTraffic('fabrikam.com');
  assert.equal(passedOf(traffic, 5, 10, 3_600_000), 5);
  assert.equal(passedOf(traffic, 20, 10, 0), 5);
  assert.equal(passedOf(traffic, 20, 10, 1_000), 10);
});

test('whatever the times, no more than the rate passes in a second after the first', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.nat({ max: 300 }), { maxLength: 200 }), (rate, steps) => {
      const traffic = new PartnerTraffic('fabrikam.com');
      let now = 0;
      let passed = 0;
      for (const step of steps) {
        now += step;
        if (traffic.mayPass(rate, now)) passed += 1;
      }
      assert.ok(passed <= rate + (now / 1_000) * rate + 1e-6);
    }),
  );
});

test('only configured partners are remembered, all domains of one together', () => {
  const index = indexFederation(
    sampleFederation({ xmppAllowedPartners: [{ domain: 'fabrikam.com', additionalDomains: ['chat.fabrikam.com'] }] }),
  );
  const ledger = new TrafficLedger();
  const traffic = ledger.of(index.partnerOf('fabrikam.com'));
  assert.equal(ledger.of(index.partnerOf('chat.fabrikam.com')), traffic);
  assert.equal(ledger.of(index.partnerOf('stranger.com')), ledger.strangers);
  assert.equal(ledger.of(index.partnerOf('another.com')), ledger.strangers);
  assert.deepEqual([...ledger.all()], [traffic]);
  traffic.countRefusal('rate-limited');
  traffic.countRefusal('rate-limited');
  assert.deepEqual([...traffic.refusals], [['rate-limited', 2]]);
});

test('a partner that is configured no more is forgotten', () => {
  const index = indexFederation(sampleFederation());
  const ledger = new TrafficLedger();
  ledger.of(index.partnerOf('fabrikam.com')).messagesToSip = 7;
  ledger.retain((domain) => domain === 'fabrikam.com');
  assert.equal(ledger.of(index.partnerOf('fabrikam.com')).messagesToSip, 7);
  ledger.retain(() => false);
  assert.deepEqual([...ledger.all()], []);
  assert.equal(ledger.of(index.partnerOf('fabrikam.com')).messagesToSip, 0);
});
