import { expect, test } from 'vitest';
import { ENGINE_VERSION, otherVersion } from '../../../recorder/session/version.ts';

test('a divergence names the version that recorded, if it is another', () => {
  expect(otherVersion(ENGINE_VERSION)).toBe('');
  expect(otherVersion('0.0.1')).toContain(`virtrace 0.0.1 recorded it and this is ${ENGINE_VERSION}`);
});
