import { parseContact } from '../protocol/parse';
import type { Contact, LocalText } from '../protocol/payload';
import { asList, asObject, asText, asTextOrNull } from '../protocol/value';
import type { Presence } from '../state/model';
import { parsePresence } from '../state/presence';

export interface Session {
  name: string;
  agent: string | null;
  roles: string[];
  csrf: string;
}

/**
 * A refusal of the server: `code` is stable (RFC 9457 member of ours), `status` is 0 when nothing answered.
 */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(code);
  }
}

export interface AgentRow {
  id: string;
  name: string;
  kana: string;
  role: string;
  presence: Presence;
}

/** A call to try, as the demonstration offers them. */
export interface Scenario {
  id: string;
  from: string;
  line: string;
  text: LocalText;
}

/** The REST routes the page uses. The cookie goes by itself; what writes also carries the CSRF token. */
export const api = {
  logIn: async (name: string, password: string): Promise<Session> =>
    parseSession(await request('POST', '/sessions', { body: { name, password } })),

  /** The session of the cookie, or null when there is none. */
  currentSession: async (): Promise<Session | null> => {
    try {
      return parseSession(await request('GET', '/sessions/current'));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },

  logOut: async (csrf: string): Promise<void> => {
    await request('DELETE', '/sessions/current', { csrf });
  },

  agents: async (): Promise<AgentRow[]> => items(await request('GET', '/agents')).map(parseAgent),

  setPresence: async (agent: string, wish: Record<string, string>, csrf: string): Promise<void> => {
    await request('PUT', `/agents/${encodeURIComponent(agent)}/presence`, { body: wish, csrf });
  },

  contacts: async (
    customer: string,
    cursor: string | null,
  ): Promise<{ items: Contact[]; next: string | null }> => {
    const query = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`;
    const page = await request('GET', `/customers/${encodeURIComponent(customer)}/contacts${query}`);
    return { items: items(page).map(parseContact), next: asTextOrNull(asObject(page).next) };
  },

  /** The calls to try. Only `toritsugi demo` has them: empty on every other server. */
  demoScenarios: async (): Promise<Scenario[]> => {
    try {
      return items(await request('GET', '/demo/scenarios')).map(parseScenario);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  },

  demoCall: async (scenario: string, csrf: string): Promise<void> => {
    await request('POST', '/demo/calls', { body: { scenario }, csrf });
  },
};

async function request(
  method: string,
  path: string,
  extra: { body?: unknown; csrf?: string } = {},
): Promise<unknown> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (extra.body !== undefined) headers['Content-Type'] = 'application/json';
  if (extra.csrf !== undefined) headers['X-CSRF-Token'] = extra.csrf;
  const init: RequestInit = { method, headers, credentials: 'same-origin' };
  if (extra.body !== undefined) init.body = JSON.stringify(extra.body);
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, init);
  } catch {
    throw new ApiError(0, 'unavailable');
  }
  const body: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, asText(asObject(body).code) || 'internal');
  return body;
}

function items(page: unknown): unknown[] {
  return asList(asObject(page).items);
}

function parseSession(value: unknown): Session {
  const wire = asObject(value);
  return {
    name: asText(wire.name),
    agent: asTextOrNull(wire.agent),
    roles: asList(wire.roles).map(asText),
    csrf: asText(wire.csrf),
  };
}

function parseAgent(value: unknown): AgentRow {
  const wire = asObject(value);
  const id = asText(wire.id);
  return {
    id,
    name: asText(wire.name),
    kana: asText(wire.kana),
    role: asText(wire.role),
    presence: { ...parsePresence(asObject(wire.presence)), agent: id },
  };
}

function parseScenario(value: unknown): Scenario {
  const wire = asObject(value);
  return {
    id: asText(wire.id),
    from: asText(wire.from),
    line: asText(wire.line),
    text: { ja: asText(wire.ja), en: asText(wire.en) },
  };
}
