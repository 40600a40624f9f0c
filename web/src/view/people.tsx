import { useQuery } from '@tanstack/react-query';
import { type AgentRow, api } from '../api/client';
import { romanised } from '../text/roman';
import { Outside } from './Outside';
import { useLang } from './hooks';

/** The agents, for all who show them; the list of the idle page keeps it fresh. */
export function useAgents(everyMs: number | false = false) {
  return useQuery({ queryKey: ['agents'], queryFn: api.agents, refetchInterval: everyMs });
}

/**
 * The name of a colleague as the reader can read it: on an English page in Latin letters, where the reading
 * is known. `id` finds the person when `name` is only the family name.
 */
export function useColleagueName(): (name: string, id?: string) => string {
  const lang = useLang();
  const agents = useAgents();
  return (name, id) => {
    if (lang === 'ja') return name;
    const agent = agents.data?.find((one) => (id === undefined ? one.name === name : one.id === id));
    return agent === undefined ? name : latinName(agent, name);
  };
}

/** The family name alone stays alone. */
function latinName(agent: AgentRow, name: string): string {
  const whole = romanised(agent.kana);
  if (whole === null) return name;
  return name === agent.name ? whole : (whole.split(' ')[0] ?? name);
}

interface ReadingProps {
  kana: string;
  /** The name that is read so. */
  name: string;
  limit?: number;
}

/**
 * How a name is read: kana, or Latin letters on an English page, where a name in Latin letters needs none.
 */
export function Reading({ kana, name, limit }: ReadingProps) {
  const lang = useLang();
  const latin = lang === 'en' ? (/^[\p{Script=Latin}\s.'’-]+$/u.test(name) ? '' : romanised(kana)) : null;
  return (
    <span lang={latin === null ? 'ja' : 'en'}>
      <Outside text={latin ?? kana} {...(limit === undefined ? {} : { limit })} />
    </span>
  );
}
