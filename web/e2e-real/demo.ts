// A demonstration of its own for each test: the real server, its sample data, and callers.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Page, test as base, expect } from '@playwright/test';

export { expect };

export const SERVICE = '0120-123-456';
const BIN = process.env.TORITSUGI_BIN;

/** A caller who was started. */
export interface Call {
  /** The ladder so far. */
  ladder: () => string;
  /** Resolves with the exit code when the call is over. */
  over: Promise<number>;
  /** Hangs up before anybody answered. */
  giveUp: () => void;
}

export interface CallOptions {
  to?: string;
  name?: string;
  talk?: number;
}

export class Demo {
  private readonly children: ChildProcess[] = [];

  private constructor(
    readonly url: string,
    readonly sip: string,
    private readonly folder: string,
    readonly password: string,
    server: ChildProcess,
  ) {
    this.children.push(server);
  }

  /** A port that was free a moment ago may be another caller's by now: then once more. */
  static async start(tries = 3): Promise<Demo> {
    try {
      return await Demo.startOnce();
    } catch (error) {
      if (tries > 1 && String(error).includes('in use')) return Demo.start(tries - 1);
      throw error;
    }
  }

  private static async startOnce(): Promise<Demo> {
    const [http, sip] = await Promise.all([freePort(), freeDatagramPort()]);
    const folder = await mkdtemp(join(tmpdir(), 'toritsugi-e2e-'));
    const via = `127.0.0.1:${sip}`;
    const server = spawn(BIN ?? '', ['demo', '--http', `127.0.0.1:${http}`, '--sip', via], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const password = await passwordOf(server);
    return new Demo(`http://127.0.0.1:${http}`, via, folder, password, server);
  }

  call(from: string, { to = SERVICE, name, talk = 4 }: CallOptions = {}): Call {
    const named = name === undefined ? [] : ['--name', name];
    const numbers = ['--from', from, '--to', to, '--via', this.sip];
    const child = spawn(BIN ?? '', ['call', ...numbers, '--talk', String(talk), ...named]);
    this.children.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += String(part)));
    const over = new Promise<number>((done) => child.on('close', (code) => done(code ?? -1)));
    return { ladder: () => text, over, giveUp: () => child.kill('SIGINT') };
  }

  async stop(): Promise<void> {
    for (const child of this.children) if (child.exitCode === null) child.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

interface Fixtures {
  demo: Demo;
  /** The page of takahashi, agent a102, logged in and connected. */
  desk: Page;
}

export const test = base.extend<Fixtures>({
  demo: async ({}, use) => {
    test.skip(BIN === undefined, 'skipped: needs TORITSUGI_BIN');
    const demo = await Demo.start();
    await use(demo);
    await demo.stop();
  },
  desk: async ({ page, demo }, use) => {
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('dialog', (dialog) => {
      faults.push(dialog.message());
      void dialog.dismiss();
    });
    await page.goto(demo.url);
    await logIn(page, demo);
    await use(page);
    expect(faults).toEqual([]);
  },
});

export async function logIn(page: Page, demo: Demo): Promise<void> {
  await page.locator('input[name=name]').fill('takahashi');
  await page.locator('input[name=password]').fill(demo.password);
  await page.keyboard.press('Enter');
  await connected(page);
  await expect(page.getByRole('heading', { name: '着信をお待ちください' })).toBeVisible();
}

export async function connected(page: Page): Promise<void> {
  await expect(page.locator('.link-state')).toHaveAttribute('data-phase', 'open');
}

function passwordOf(server: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let text = '';
    const read = (part: unknown) => {
      text += String(part);
      const password = /password for all: (\S+)\)/.exec(text)?.[1];
      // The last line of the welcome: the server listens by then.
      if (password !== undefined && text.includes('Ctrl-C')) found(password);
    };
    server.stdout?.on('data', read);
    server.stderr?.on('data', read);
    server.on('error', failed);
    server.on('exit', () => failed(new Error(`toritsugi demo ended: ${text}`)));
  });
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => found(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

function freeDatagramPort(): Promise<number> {
  return new Promise((found) => {
    const probe = createSocket('udp4').bind(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
}
