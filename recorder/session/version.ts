/** virtrace's version, as it goes into traces; a test holds it against package.json. */
export const ENGINE_VERSION = '0.2.0';

/** What to add to the news that a replay diverged; empty if this version has made the recording. */
export function otherVersion(recordedBy: string): string {
  if (recordedBy === ENGINE_VERSION) return '';
  return `; virtrace ${recordedBy} recorded it and this is ${ENGINE_VERSION}: its machine may differ, use that version`;
}
