import assert from 'node:assert/strict';

export interface MetricFamily {
  readonly type: string;
  readonly help: string;
}

/** Reads Prometheus text (exposition format 0.0.4), and fails where it is not. */
export function parsePrometheusText(text: string): {
  readonly families: ReadonlyMap<string, MetricFamily>;
  /** As they are written. */
  readonly samples: readonly string[];
} {
  const families = new Map<string, MetricFamily>();
  const samples: string[] = [];
  let help: readonly [name: string, text: string] = ['', ''];
  assert.ok(text.endsWith('\n'));
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment;
      if (kind === 'HELP') help = [name, rest];
      else {
        assert.ok(!families.has(name), `${name} comes twice`);
        assert.equal(help[0], name);
        families.set(name, { type: rest, help: help[1] });
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)*\})? (\S+)$/.exec(line);
    assert.ok(sample !== null, `no sample: ${line}`);
    const [, name = '', , value] = sample;
    const family = name.replace(/_(sum|count|bucket)$/, '');
    assert.ok(families.has(name) || families.has(family), `${name} has no type`);
    assert.ok(value?.toLowerCase() === 'nan' || !Number.isNaN(Number(value)), line);
    samples.push(line);
  }
  return { families, samples };
}
