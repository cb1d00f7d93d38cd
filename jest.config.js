export default {
  testEnvironment: 'node',
  // Processes start slowly on a busy machine; a hang still ends.
  testTimeout: 30_000,
  // Suites mostly wait for other processes: two at a time on two cores halve the time and no suite minds.
  maxWorkers: 2,
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};
