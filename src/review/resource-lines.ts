import type { AttributeChange, ResourceChange } from './model.ts';

/** What happens to a resource, on one line: `replaced, because of allocation_id: eipalloc-1 -> known after apply`. */
export function resourceText({ action, previousAddress, attributes }: ResourceChange): string {
  const moved = previousAddress === undefined ? '' : ` from ${previousAddress}`;
  const details = attributes.map(attributeText);
  return `${action}${moved}${details.length === 0 ? '' : `; ${details.join('; ')}`}`;
}

function attributeText({ name, state, before, after, replaces }: AttributeChange): string {
  const forced = replaces === true ? ' (forces the replacement)' : '';
  switch (state) {
    case 'sensitive':
      return `${name}: sensitive${forced}`;
    case 'hidden':
      return `${name}${forced}`;
    case 'unknown':
      return `${name}: ${before === undefined ? '' : `${before} -> `}known after apply${forced}`;
    case 'shown':
      return `${name}: ${[before, after].filter((value) => value !== undefined).join(' -> ')}${forced}`;
  }
}
