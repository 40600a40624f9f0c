import { useTranslation } from 'react-i18next';
import { inLanguage, named } from '../../i18n';
import type { Assignee, Lang } from '../../protocol/payload';
import type { Pop } from '../../state/model';
import { notLookedUp } from '../../state/selectors';
import { timeOf, when } from '../../text/time';
import { Outside } from '../Outside';
import { useLang } from '../hooks';
import { useColleagueName } from '../people';

interface Props {
  pop: Pop;
  /** The language to speak with this customer. */
  script: Lang;
  now: number;
  me: string | null;
}

/** Who looks after this customer, why they are not here (for us) and how that is said (to the customer). */
export function AssigneePanel({ pop, now, me, script }: Props) {
  const { t } = useTranslation();
  const { assignee } = pop.data;
  return (
    <section className="panel assignee">
      <h3>{t('assignee.title')}</h3>
      {assignee === null ? (
        <p className="none">{t(notLookedUp(pop) ?? 'assignee.none')}</p>
      ) : (
        <Details assignee={assignee} script={script} now={now} mine={assignee.id === me} />
      )}
    </section>
  );
}

interface DetailsProps {
  assignee: Assignee;
  script: Lang;
  now: number;
  mine: boolean;
}

function Details({ assignee, script, now, mine }: DetailsProps) {
  const { t } = useTranslation();
  const lang = useLang();
  const colleague = useColleagueName();
  const until = timeOf(assignee.until);
  const next = timeOf(assignee.nextStart);
  const spoken = inLanguage(assignee.spoken, script);
  const present = assignee.state === 'present' || assignee.state === 'available';
  return (
    <>
      <p className="assignee-name">
        <strong>
          <Outside text={colleague(assignee.name, assignee.id)} limit={40} />
        </strong>
        <span className="chip" data-tone={present ? 'ready' : 'warn'}>
          {named(t, 'assignee', assignee.state)}
        </span>
        {mine && <span>{t('assignee.you')}</span>}
      </p>
      <dl>
        {assignee.reason !== null && (
          <>
            <dt title={t('assignee.internalHint')}>{t('assignee.internal')}</dt>
            <dd>
              {named(t, 'presence.reason', assignee.reason)}
              {until !== null && <span>{t('assignee.back', { time: when(until, lang, now) })}</span>}
              {next !== null && <span>{t('assignee.next', { time: when(next, lang, now) })}</span>}
            </dd>
          </>
        )}
        {spoken !== '' && (
          <>
            <dt>{t('assignee.spoken')}</dt>
            <dd className="spoken" lang={script}>
              <Outside text={t('say.quote', { text: spoken })} />
            </dd>
          </>
        )}
        {assignee.why !== null && (
          <>
            <dt>{t('assignee.why')}</dt>
            <dd>{named(t, 'assignee.reasons', assignee.why)}</dd>
          </>
        )}
      </dl>
    </>
  );
}
