import { type Logger, pino } from 'pino';
import type { LogLevel } from './settings.ts';

/** JSON lines on standard output, ISO times, level names instead of numbers. */
export function createLogger(level: LogLevel): Logger {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
