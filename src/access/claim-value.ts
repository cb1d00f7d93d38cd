/**
 * A claim by the name that a configuration gives it: `department`, `https://example.com/team`, or `realm_access.roles`.
 *
 * A claim of this very name wins; else dots lead into mappings. Only what a provider wrote is found: never what every object
 * inherits.
 */

/** The value; undefined where there is none. */
export function claimValue(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name.split('.').reduce<unknown>((inner, key) => property(inner, key), claims);
}

function property(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}
