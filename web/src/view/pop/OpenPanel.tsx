import { useTranslation } from 'react-i18next';
import type { OpenItems } from '../../protocol/payload';
import type { Pop } from '../../state/model';
import { notLookedUp } from '../../state/selectors';
import { clock, timeOf, when } from '../../text/time';
import { Outside } from '../Outside';
import { useLang } from '../hooks';

/** Whether it is known that nothing is open: then a word says so and the room goes to the history. */
export function nothingOpen(pop: Pop): boolean {
  const { cases, callbacks, dispatch } = pop.data.open;
  return notLookedUp(pop) === null && dispatch === null && callbacks.length + cases.length === 0;
}

/** Three lines: the visit that is late, the callbacks promised, the open cases. */
const SHOWN = 3;

export function OpenPanel({ pop, now }: { pop: Pop; now: number }) {
  const { t } = useTranslation();
  const { open } = pop.data;
  const rows = [
    ...(open.dispatch === null ? [] : [<Visit key="dispatch" dispatch={open.dispatch} now={now} />]),
    ...open.callbacks.map((item) => <Callback key={`callback ${item.id}`} callback={item} now={now} />),
    ...open.cases.map((item) => (
      <li key={`case ${item.id}`}>
        <Outside text={[item.title, item.status, item.next].filter(Boolean).join(' · ')} limit={80} />
      </li>
    )),
  ];
  return (
    <section className="panel open">
      <h3>{t('open.title')}</h3>
      {rows.length === 0 ? (
        <p className="none">{t(notLookedUp(pop) ?? 'open.none')}</p>
      ) : (
        <ul>{rows.slice(0, SHOWN)}</ul>
      )}
    </section>
  );
}

function Visit({ dispatch, now }: { dispatch: NonNullable<OpenItems['dispatch']>; now: number }) {
  const { t } = useTranslation();
  const lang = useLang();
  const eta = timeOf(dispatch.eta);
  const asOf = timeOf(dispatch.asOf);
  return (
    <li>
      {t('open.visit', { eta: eta === null ? '–' : when(eta, lang, now) })}
      {dispatch.delayMin > 0 && (
        <strong className="late"> {t('open.delay', { min: dispatch.delayMin })}</strong>
      )}
      {asOf !== null && <span className="quiet"> {t('open.asOf', { time: clock(asOf) })}</span>}
    </li>
  );
}

function Callback({ callback, now }: { callback: OpenItems['callbacks'][number]; now: number }) {
  const { t } = useTranslation();
  const lang = useLang();
  const due = timeOf(callback.due);
  return (
    <li>
      {t('open.callback', { due: due === null ? '' : when(due, lang, now), by: '' })}
      <Outside text={callback.by} limit={24} />
      {callback.state === 'overdue' && <strong className="late"> 【{t('open.overdue')}】</strong>}
    </li>
  );
}
