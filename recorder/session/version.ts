/** virtrace's version, as it goes into traces; a test holds it against package.json. */
export const ENGINE_VERSION = '0.1.0';
