// A stand-in for the server: the REST routes and spop.v1 as far as this page uses them. For tests and for
// looking.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { MockDesk, send } from './desk.mjs';
import * as scenarios from './scenarios.mjs';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const COOKIE = 'toritsugi_session';
const CSP =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'; worker-src 'self'";
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** Starts on `port` (0: any free one). `desk` is the agent's side to drive and to look into. */
export async function startMock({ port = 0 } = {}) {
  const mock = { desk: new MockDesk(), sessions: new Map(), accept: true, demo: null, url: '' };
  const server = createServer((request, response) => void answer(mock, request, response));
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'spop.v1' });
  server.on('upgrade', (request, socket, head) => {
    const allowed = mock.accept && sessionOf(mock, request) && request.url === '/ws/v1';
    if (!allowed) return socket.destroy();
    return sockets.handleUpgrade(request, socket, head, (ws) => attend(mock, ws));
  });
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
  mock.url = `http://127.0.0.1:${server.address().port}`;
  /** Cuts every connection; with `accept` false nobody gets back in. */
  mock.cut = (accept) => {
    mock.accept = accept;
    for (const ws of sockets.clients) ws.terminate();
  };
  mock.stop = async () => {
    mock.cut(false);
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return mock;
}

function attend(mock, ws) {
  const { desk } = mock;
  const pings = setInterval(
    () => send(ws, { kind: 'ping', data: { server_time: new Date().toISOString() } }),
    15_000,
  );
  ws.on('close', () => {
    clearInterval(pings);
    desk.leave(ws);
  });
  ws.on('message', (text) => {
    const frame = JSON.parse(String(text));
    if (frame.kind === 'hello') desk.join(ws, frame.data);
    if (frame.kind === 'command') desk.command(ws, frame);
    if (frame.kind === 'ack') desk.acks.push(frame);
  });
}

async function answer(mock, request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://mock');
  response.setHeader('Content-Security-Policy', CSP);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (pathname.startsWith('/api/v1/')) return rest(mock, request, response, pathname.slice('/api/v1'.length));
  if (pathname === '/__mock/offer') {
    const [name, argument] = (searchParams.get('card') ?? 'known').split(':');
    mock.desk.offer((scenarios[name] ?? scenarios.known)(argument));
    return json(response, 200, {});
  }
  return file(response, pathname);
}

async function rest(mock, request, response, path) {
  const body = await bodyOf(request);
  if (path === '/sessions' && request.method === 'POST') return logIn(mock, response, body);
  const session = sessionOf(mock, request);
  if (!session) return problem(response, 401, 'unauthorized');
  if (request.method !== 'GET' && request.headers['x-csrf-token'] !== session.csrf)
    return problem(response, 403, 'csrf');
  if (path === '/sessions/current' && request.method === 'DELETE') {
    mock.sessions.delete(session.token);
    return response.writeHead(204).end();
  }
  const { token: _secret, ...shown } = session;
  if (path === '/sessions/current') return json(response, 200, shown);
  if (path === '/agents') return json(response, 200, { items: AGENTS, next: null });
  if (/^\/agents\/[^/]+\/presence$/.test(path)) {
    mock.desk.setPresence({ status: body.status, reason: body.reason ?? null, until: body.until ?? null });
    return json(response, 200, mock.desk.presence);
  }
  // `demo` is null on a normal server; in the demonstration the calls to try, and those that were tried.
  if (path === '/demo/scenarios' && mock.demo) return json(response, 200, { items: mock.demo.items });
  if (path === '/demo/calls' && mock.demo) {
    mock.demo.calls.push(body.scenario);
    return json(response, mock.demo.status, {});
  }
  if (/^\/customers\/[^/]+\/contacts$/.test(path)) {
    return json(response, 200, { items: scenarios.known().contacts, next: null });
  }
  return problem(response, 404, 'not_found');
}

function logIn(mock, response, { name, password }) {
  if (password !== 'password') return problem(response, 401, 'unauthorized');
  const session = {
    token: randomUUID(),
    name,
    agent: mock.desk.agent,
    roles: ['agent'],
    csrf: randomUUID(),
    expires: new Date(Date.now() + 8 * 3_600_000).toISOString(),
  };
  mock.sessions.set(session.token, session);
  response.setHeader('Set-Cookie', `${COOKIE}=${session.token}; HttpOnly; SameSite=Strict; Path=/`);
  return json(response, 201, session);
}

const AGENTS = [
  ['a102', '高橋 実', 'available', null, 'idle'],
  ['a055', '佐藤 健', 'away', 'break', 'idle'],
  ['a060', '鈴木 恵', 'available', null, 'on_call'],
  ['a061', '林 直樹', 'away', 'meeting', 'idle'],
  ['a062', '中村 彩', 'away', 'day_off', 'idle'],
].map(([id, name, status, reason, state]) => ({
  id,
  name,
  kana: '',
  role: 'agent',
  presence: { agent: id, status, reason, until: null, state },
}));

function sessionOf(mock, request) {
  const token = /(?:^|;\s*)toritsugi_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  return token && mock.sessions.get(token);
}

async function bodyOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text === '' ? {} : JSON.parse(text);
}

function json(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function problem(response, status, code) {
  response
    .writeHead(status, { 'Content-Type': 'application/problem+json' })
    .end(JSON.stringify({ type: 'about:blank', title: code, status, code, detail: '' }));
}

async function file(response, pathname) {
  const path = normalize(join(DIST, pathname === '/' ? 'index.html' : pathname));
  try {
    if (!path.startsWith(DIST)) throw new Error('outside');
    const bytes = await readFile(path);
    response
      .writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' })
      .end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}
