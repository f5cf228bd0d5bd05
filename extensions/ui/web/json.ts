/** Answers of the API, read member by member: what is missing or of another kind is empty. */

export type Json = Readonly<Record<string, unknown>>;

export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

export function objects(value: unknown): readonly Json[] {
  return list(value).map(object);
}

export function text(value: unknown): string {
  return typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : '';
}

export function texts(value: unknown): readonly string[] {
  return list(value).map(text);
}

export function number(value: unknown): number | null {
  if (typeof value === 'string' && value.trim() !== '') {
    return number(Number(value));
  }
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** A time as ISO text, or in seconds or milliseconds, as milliseconds. */
export function time(value: unknown): number | null {
  if (typeof value === 'number') {
    return value > 1e11 ? value : value * 1000;
  }
  // Times without a zone are UTC, as everywhere in ClearML.
  const iso = text(value);
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`;
  const found = Date.parse(zoned);
  return iso === '' || Number.isNaN(found) ? null : found;
}

/** A JSON text as an object; empty if it is none. */
export function parsed(value: unknown): Json {
  try {
    return object(JSON.parse(text(value)));
  } catch {
    return {};
  }
}
