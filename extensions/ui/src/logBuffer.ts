import type { LogLine } from './types';

/** One line as shown. */
export interface ShownLine {
  readonly time: number | null;
  readonly text: string;
  readonly level: string;
}

const LIMIT = 100_000;
// Escape sequences of terminals: colours, cursor moves, titles.
// eslint-disable-next-line no-control-regex
const ESCAPES =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007]*(?:\u0007|\u001b\\)|[@-_])/g;

/** The lines of a log, of which the newest are kept. */
export class LogBuffer {
  constructor(readonly limit = LIMIT) {}

  get lines(): readonly ShownLine[] {
    return this._lines;
  }

  /** How many old lines were let go. */
  get dropped(): number {
    return this._dropped;
  }

  append(messages: readonly LogLine[]): void {
    for (const message of messages) {
      for (const text of plainLines(message.text)) {
        this._lines.push({ time: message.time, text, level: message.level });
      }
    }
    const excess = this._lines.length - this.limit;
    if (excess > 0) {
      this._lines.splice(0, excess);
      this._dropped += excess;
    }
  }

  private readonly _lines: ShownLine[] = [];
  private _dropped = 0;
}

/** The lines of a message as a terminal would leave them: progress bars overwritten. */
export function plainLines(message: string): string[] {
  const lines = message
    .replace(ESCAPES, '')
    .replace(/\r\n/g, '\n')
    .replace(/\n$/, '')
    .split('\n');
  return lines.map(line => {
    const parts = line.split('\r').filter(part => part !== '');
    return parts[parts.length - 1] ?? '';
  });
}
