// Cards the mock can offer. Times are relative to now, so that a card looks the same on any day.

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function at(offsetMs) {
  return new Date(Date.now() + offsetMs).toISOString();
}

/**
 * A known customer with a danger notice, an absent assignee and history: the full card of `pop-protocol.md`.
 */
export function known() {
  return {
    offer: { reason: 'assignee_absent', rule: 'r-12', ring_limit_s: 10, others: 0, via: null },
    caller: { presentation: 'number', e164: '+81312345678', national: '03-1234-5678', kind: 'fixed' },
    dialled: { number: '0120-123-456', client: 'cl-7', client_name: '青葉製作所' },
    match: {
      level: 'known',
      count: 1,
      candidates: [],
      customer: {
        id: 'cu-88',
        name: '山田 花子',
        kana: 'ヤマダ ハナコ',
        org: '青空商事',
        rank: 'A',
        language: 'ja',
      },
    },
    notices: [
      {
        id: 'n-3',
        level: 'danger',
        text: '返金条件は必ず管理者確認。断定回答しない',
        by: 'SV 鈴木',
        at: at(-2 * DAY),
        ack: 'read',
      },
    ],
    flags: [
      { code: 'complaint', level: 2 },
      { code: 'frequent', count: 6, window_h: 24 },
      { code: 'chase', count: 1 },
    ],
    assignee: {
      id: 'a055',
      name: '佐藤',
      role: 'agent',
      state: 'absent',
      reason: 'break',
      spoken: '席を外しております',
      until: at(25 * MINUTE),
      next_start: null,
      why_assignee: 'open_case_owner',
    },
    contacts: [
      {
        at: at(-2 * DAY),
        by: '佐藤',
        direction: 'in',
        summary: '修理日程の相談。部品待ち',
        disposition: 'callback',
      },
      {
        at: at(-4 * DAY),
        by: '鈴木',
        direction: 'in',
        summary: '冷蔵庫の異音でクレーム。再訪希望',
        disposition: 'dispatch',
      },
      {
        at: at(-20 * DAY),
        by: '佐藤',
        direction: 'in',
        summary: '購入の相談。カタログ送付',
        disposition: 'resolved',
      },
    ],
    open: {
      cases: [
        { id: 'k-501', title: '冷蔵庫 異音', status: '部品待ち', next: '午前に日程連絡', owner: '佐藤' },
      ],
      callbacks: [{ id: 'cb-9', due: at(-90 * MINUTE), by: '佐藤', state: 'overdue' }],
      dispatch: { eta: at(100 * MINUTE), delay_min: 40, as_of: at(-20 * MINUTE), chases: 1 },
    },
    guidance: guidance(),
    actions: ['take', 'assist', 'park', 'transfer', 'callback', 'decline'],
    transfer: { count: 0, limit: 1 },
    sources: { local: 'ok', crm: 'pending' },
  };
}

/** The same for somebody who speaks English and has no notice. */
export function english() {
  const card = known();
  card.match.customer = {
    id: 'cu-90',
    name: 'Emily Carter',
    kana: 'エミリー カーター',
    org: 'Northwind',
    rank: 'B',
    language: 'en',
  };
  return {
    ...card,
    notices: [],
    flags: [{ code: 'vip' }],
    open: { cases: [], callbacks: [], dispatch: null },
  };
}

/** One number, several customers; nothing private is in the card before the choice. */
export function several() {
  return {
    ...stranger(),
    match: {
      level: 'several',
      count: 3,
      customer: null,
      candidates: [
        { id: 'cu-88', name: '山田 花子', kana: 'ヤマダ ハナコ', org: '青空商事' },
        { id: 'cu-89', name: '山田 太郎', kana: 'ヤマダ タロウ', org: '青空商事' },
        { id: 'cu-91', name: '髙﨑 渚', kana: 'タカサキ ナギサ', org: '' },
      ],
    },
  };
}

export function unknown() {
  return { ...stranger(), match: { level: 'none', count: 0, customer: null, candidates: [] } };
}

/** A caller without a number: `withheld`, `payphone`, `out_of_area` or `service_conflict`. */
export function restricted(presentation = 'withheld') {
  const [ja, en] = {
    withheld: ['非通知', 'Withheld'],
    payphone: ['公衆電話', 'Payphone'],
    out_of_area: ['表示圏外', 'Unavailable'],
    service_conflict: ['通知不可', 'Not available'],
  }[presentation];
  return { ...unknown(), caller: { presentation, label_ja: ja, label_en: en } };
}

/** The look-up did not answer in time. */
export function degraded() {
  return { ...unknown(), sources: { local: 'timeout', crm: 'off' } };
}

function stranger() {
  const { steps: _absent, ...said } = guidance();
  return {
    ...known(),
    notices: [],
    flags: [],
    assignee: null,
    contacts: [],
    open: { cases: [], callbacks: [], dispatch: null },
    guidance: { ...said, steps: [] },
    actions: ['take', 'decline'],
    offer: { reason: 'group', rule: 'r-1', ring_limit_s: 10, others: 0, via: null },
    sources: { local: 'ok', crm: 'off' },
  };
}

function guidance() {
  return {
    greeting: {
      ja: 'お電話ありがとうございます。青葉製作所 お客様窓口の高橋でございます。',
      en: 'Thank you for calling Aoba Manufacturing. This is Takahashi of the customer desk.',
    },
    steps: [
      {
        id: 'explain_absence',
        ja: '申し訳ございません。佐藤はただいま席を外しております。',
        en: 'I am sorry, Sato is away from the desk at the moment.',
      },
      { id: 'offer_help', ja: 'よろしければ私が代わりにご用件を承ります。', en: 'May I help you instead?' },
      {
        id: 'propose_callback',
        ja: '14時以降に佐藤より折り返しご連絡いたします。',
        locked: 'approval_required',
      },
    ],
  };
}
