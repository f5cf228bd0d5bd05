/** The views and the extension's own logic, in a browser-like environment. */
module.exports = {
  testEnvironment: 'jsdom',
  roots: ['<rootDir>/src', '<rootDir>/../ui/src', '<rootDir>/../ui/web'],
  // The views lie outside of this package, but use its libraries.
  modulePaths: ['<rootDir>/node_modules'],
  testRegex: '/__tests__/.*\\.test\\.tsx?$',
  transform: {
    '\\.tsx?$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.test.json' }]
  }
};
