/** What the command line says of each setting that has an environment variable: its option has the variable's name. */

/** Values by the keys of the configuration, from `POSTERN_GRACE_PERIOD: 'grace-period'` and the like. */
export function flagsOf(
  environment: Readonly<Record<string, string>>,
  args: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const flags = Object.entries(environment).map(([variable, key]) => {
    const name = variable
      .replace(/^POSTERN_/, '')
      .toLowerCase()
      .replaceAll('_', '-');
    return [key, args[name]];
  });
  return Object.fromEntries(flags);
}
