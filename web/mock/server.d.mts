import type { Mock } from './types';

export function startMock(options?: { port?: number }): Promise<Mock>;
