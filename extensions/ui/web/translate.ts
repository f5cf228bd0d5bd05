import type { Translate } from '../src';

/** Texts as they are written, with their arguments in place. */
export const plainTexts: Translate = {
  __: (text, ...args) => fill(text, args),
  _n: (one, many, count, ...args) => fill(count === 1 ? one : many, args)
};

function fill(text: string, args: readonly unknown[]): string {
  return text.replace(/%(\d)/g, (whole, place) => {
    const index = Number(place) - 1;
    return index < args.length ? String(args[index]) : whole;
  });
}
