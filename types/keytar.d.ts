/**
 * As much of keytar as we use. The package is native and optional: npm takes it away where it cannot be built, and what is built
 * from here must not depend on that; tsconfig.base.json puts these types in place of its own.
 */
interface Keytar {
  getPassword(service: string, account: string): Promise<string | null>;
  setPassword(service: string, account: string, password: string): Promise<void>;
  deletePassword(service: string, account: string): Promise<boolean>;
}

declare const keytar: Keytar;
export default keytar;
