/** The country database that a configuration names, opened: for commands that check it or ask it. */
import { CountryDatabase } from '../../access/policy/country-database.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import { placedError } from '../../config/value-place.ts';

/** Opens it. Undefined where none is named. Throws CONFIG_* with the place of the setting. */
export async function openCountries(config: GatewayConfig): Promise<CountryDatabase | undefined> {
  if (config.countryDatabase === undefined) return undefined;
  try {
    return await CountryDatabase.open(config.countryDatabase);
  } catch (error) {
    throw placedError(config, ['country-database'], error);
  }
}
