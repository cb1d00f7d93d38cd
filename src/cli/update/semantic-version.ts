/** Versions in the order of semver.org §11: a pre-release comes before its release, and what is built how does not count. */

/** `1.2.3`, `1.2.3-rc.1`, `1.2.3+build`: what may stand in a version, and so in a command that is printed. */
const PATTERN =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([\da-z-]+(?:\.[\da-z-]+)*))?(?:\+[\da-z.-]+)?$/i;

/** Whether the text is a version. */
export function isVersion(text: string): boolean {
  return text.length <= 256 && PATTERN.test(text);
}

/** Less than zero when `a` comes before `b`, zero when neither does. Both must be versions. */
export function compareVersions(a: string, b: string): number {
  const [, aMajor, aMinor, aPatch, aPre] = PATTERN.exec(a) ?? [];
  const [, bMajor, bMinor, bPatch, bPre] = PATTERN.exec(b) ?? [];
  const numbers = [
    [aMajor, bMajor],
    [aMinor, bMinor],
    [aPatch, bPatch],
  ];
  for (const [mine = '', other = ''] of numbers) {
    const order = compareNumbers(mine, other);
    if (order !== 0) return order;
  }
  if (aPre === undefined || bPre === undefined) {
    return Number(aPre === undefined) - Number(bPre === undefined);
  }
  return comparePreReleases(aPre.split('.'), bPre.split('.'));
}

function comparePreReleases(a: readonly string[], b: readonly string[]): number {
  for (const [at, mine] of a.entries()) {
    const other = b[at];
    // The one with more parts is the later one.
    if (other === undefined) return 1;
    const order = compareParts(mine, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: string, b: string): number {
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aIsNumber && bIsNumber) return compareNumbers(a, b);
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1;
  return Number(a > b) - Number(a < b);
}

/** Of any length: `Number` would take two large ones for the same. */
function compareNumbers(a: string, b: string): number {
  const [first, second] = [BigInt(a), BigInt(b)];
  return Number(first > second) - Number(first < second);
}
