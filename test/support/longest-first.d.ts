/** What the test of the order sees of it. */
interface Suite {
  readonly path: string;
  readonly context: { readonly config: { readonly rootDir: string } };
}

export const LONGEST: readonly string[];

// oxlint-disable-next-line import/no-default-export
export default class LongestFirst {
  sort(tests: readonly Suite[]): Suite[];
}
