import { Button, Modal } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { named } from '../../i18n';
import type { Contact } from '../../protocol/payload';
import type { Pop } from '../../state/model';
import { notLookedUp } from '../../state/selectors';
import { dateTime, timeOf } from '../../text/time';
import { Outside } from '../Outside';
import { useLang } from '../hooks';
import { useColleagueName } from '../people';

/** Three lines say what happened; with nothing open beside them there is room for five. */
const SHOWN = 3;
const SHOWN_WIDE = 5;

interface Props {
  pop: Pop;
  now: number;
  /** Nothing is open: the panel has the whole width. */
  wide: boolean;
}

/** M020: when, who and what of the last contacts, without a click; the rest behind one. */
export function ContactsPanel({ pop, now, wide }: Props) {
  const { t } = useTranslation();
  const [all, setAll] = useState(false);
  const { contacts, match } = pop.data;
  const customer = match.customer?.id;
  return (
    <section className="panel contacts" data-wide={wide}>
      <header>
        <h3>{t('contacts.title')}</h3>
        {wide && <span className="quiet nothing-open">{t('open.nothing')}</span>}
        {customer !== undefined && contacts.length > 0 && (
          <Button size="compact-xs" variant="subtle" onClick={() => setAll(true)}>
            {t('contacts.more')}
          </Button>
        )}
      </header>
      {contacts.length === 0 ? (
        <p className="none">{t(notLookedUp(pop) ?? 'contacts.none')}</p>
      ) : (
        <ContactTable contacts={contacts.slice(0, wide ? SHOWN_WIDE : SHOWN)} now={now} limit={120} />
      )}
      {customer !== undefined && (
        <Modal
          opened={all}
          onClose={() => setAll(false)}
          title={t('contacts.all')}
          size="xl"
          closeButtonProps={{ 'aria-label': t('contacts.close') }}
        >
          {all && <AllContacts customer={customer} now={now} />}
        </Modal>
      )}
    </section>
  );
}

function ContactTable({ contacts, now, limit }: { contacts: Contact[]; now: number; limit: number }) {
  const { t } = useTranslation();
  const lang = useLang();
  const colleague = useColleagueName();
  return (
    <table>
      <thead className="unseen">
        <tr>
          <th>{t('contacts.when')}</th>
          <th>{t('contacts.who')}</th>
          <th>{t('contacts.what')}</th>
          <th>{t('contacts.result')}</th>
        </tr>
      </thead>
      <tbody>
        {contacts.map((contact, index) => {
          const at = timeOf(contact.at);
          return (
            <tr key={`${contact.at} ${index}`}>
              <td className="contact-when">{at === null ? '–' : dateTime(at, lang, now)}</td>
              <td className="contact-who">
                <Outside text={colleague(contact.by)} limit={24} />
              </td>
              <td className="contact-what">
                <Outside text={contact.summary} limit={limit} />
              </td>
              <td className="contact-outcome">
                {contact.disposition !== '' && (
                  <Outside text={named(t, 'contacts.outcome', contact.disposition)} limit={16} />
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function AllContacts({ customer, now }: { customer: string; now: number }) {
  const { t } = useTranslation();
  const pages = useInfiniteQuery({
    queryKey: ['contacts', customer],
    queryFn: ({ pageParam }) => api.contacts(customer, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });
  const contacts = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="contacts">
      {pages.isError && <p role="alert">{t('contacts.failed')}</p>}
      {pages.isPending && <p>{t('contacts.loading')}</p>}
      <ContactTable contacts={contacts} now={now} limit={1000} />
      {pages.hasNextPage && (
        <Button
          variant="default"
          mt="sm"
          loading={pages.isFetching}
          onClick={() => void pages.fetchNextPage()}
        >
          {t('contacts.more')}
        </Button>
      )}
    </div>
  );
}
