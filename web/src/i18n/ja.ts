/** Japanese is the first language of this page; `en.ts` must have exactly these keys. */
export const ja = {
  app: '取次ぎ',
  login: {
    title: 'ログイン', name: 'ユーザー名', password: 'パスワード', submit: 'ログイン',
    wrong: 'ユーザー名またはパスワードが違います', limited: '試行回数が多すぎます。しばらくしてからお試しください',
    failed: 'サーバーに接続できません', sound: '着信音を試す', ended: 'ログアウトしました',
  },
  bar: {
    line: '窓口', noLine: '窓口なし', help: 'ヘルプ', logout: 'ログアウト', language: '言語', other: 'English',
    soundOn: '音あり', soundOff: '音は別のタブ', soundLocked: '音を有効にする', noAgent: '席なし',
  },
  link: {
    off: '未接続', connecting: '接続中', syncing: '同期中', open: '接続', waiting: '切断', refused: '停止',
    lost: '接続が切れています – 着信は電話機に鳴ります', retrying: '再接続しています',
    superseded: '別の端末で使用中です', forbidden: '接続が許可されていません',
    version: 'この画面は古くなっています。再読み込みしてください', useHere: 'ここで使う', reload: '再読み込み',
    back: '接続が戻りました',
  },
  presence: {
    set: '在席状況を変更', until: '戻り時刻', untilHint: '例 14:00(空欄可)', available: '受付可', away: '離席',
    offline: 'オフライン', apply: '変更', setBy: '設定者', untilShort: '{{time}} まで', self: '本人',
    badTime: '時刻は 14:00 の形で入力してください',
    unreachable: '変更できませんでした', rona: '応答がなかったため離席になりました', back: '受付に戻る',
    setByOther: '{{who}} が設定した不在は本人では解除できません',
    reason: {
      day_off: '休み', sick: '体調不良', meeting: '会議中', other_case: '別件対応中', break: '休憩中',
      left_for_day: '退社', out: '外出中', rona: '応答なし', logged_out: '未ログイン', offline: '未ログイン',
      client_stale: '画面未応答', absent: '不在',
    },
    state: {
      idle: '待機', reserved: '予約', ringing: '呼出中', on_call: '通話中', wrap_up: '後処理',
    },
  },
  call: {
    ringing: '着信中', seconds: '{{s}}秒', limit: '/ {{s}}秒', late: '{{s}}秒超過', claimedBy: '確認中: {{by}}',
    claimed: '確認中', taken: '対応中', waitingPhone: '電話機で応答してください', ended: '通話終了',
    wrapup: '後処理', talk: '通話 {{time}}', transfer: '転送 {{n}}/{{limit}}', expired: '呼出期限切れ',
    others: '他 {{n}} 件', offerReason: {
      assignee: '担当', assignee_absent: '担当不在', group: 'グループ', overflow: 'あふれ', fallback: '代替',
    },
    announce: '着信。{{who}}。{{line}}', announceNotice: '重要事項があります',
    milestone: 'あと{{s}}秒', milestoneLate: '呼出{{s}}秒を超えました',
    cause: {
      answered_elsewhere: '他の人が応答しました', caller_gave_up: '相手が切断しました', timeout: '応答時間切れ',
      rerouted: '別の宛先へ回りました', policy: '規則により別の宛先へ回りました', declined: '辞退しました',
      missed: '不在着信になりました', gone: '終了しました', closed: '終了しました',
    },
    title: '着信',
  },
  notice: {
    heading: '重要', ack: '確認した', acked: '確認済', danger: '重要', warn: '注意', info: '連絡', more: '続き',
    count: '{{n}}/{{total}}件',
  },
  who: {
    honorific: '様', rank: 'ランク{{rank}}', unknown: '該当者なし', unknownHint: '登録された顧客にこの番号はありません',
    likely: '番号の一部が一致(要確認)', display: '発信者の表示名', unverified: '番号未確認',
    withheldHint: '番号の通知がないため照会しません', degraded: '照会不可 – 番号のみ表示',
    degradedHint: '顧客情報の応答がありません。お名前とご用件をお伺いください', pending: '照会中', notAvailable: '照会不可', notLookedUp: '照会なし',
    crm: '外部CRM: {{state}}', label: {
      withheld: '非通知', payphone: '公衆電話', out_of_area: '表示圏外', service_conflict: '通知不可',
      error: '受信エラー', number: '番号',
    },
    kind: {
      fixed: '固定', mobile: '携帯', ip: 'IP電話', freephone: 'フリーダイヤル', extension: '内線', foreign: '国外',
    },
  },
  several: {
    title: '該当者が複数います', hint: 'お名前を伺い、番号キーで選んでください。選ぶまで履歴は表示しません',
    choose: 'この方', more: 'ほか {{n}} 名',
  },
  flag: {
    complaint: 'クレーム{{level}}', heavy_complaint: '重クレーム', frequent: '頻回 {{count}}回/{{window}}h',
    frequentPlain: '頻回', chase: '催促 {{count}}回目', chasePlain: '催促', contract_expired: '契約切れ',
    vip: '重要顧客', harassment: 'カスハラ', dispatch: '訪問予定', more: '+{{n}}',
  },
  assignee: {
    title: '担当', none: '担当者の登録なし', internal: '社内', spoken: '社外', back: '{{time}} 戻り予定',
    next: '次回出社 {{time}}', you: 'あなたが担当です', present: '在席', absent: '不在', away: '不在',
    available: '在席', on_call: '通話中', offline: '不在', why: '担当の理由',
    reasons: { open_case_owner: '対応中案件の担当', customer_owner: '顧客担当', assigned: '顧客担当',
      last_contact: '直近の対応者' },
    internalHint: '社内用 – お客様には言わない',
  },
  say: {
    title: '言い方', greeting: '名乗り', step: {
      explain_absence: '不在の説明', offer_help: '代わりに伺う', propose_callback: '折り返しの提案',
    },
    locked: '管理者承認待ち', language: '台本の言語', none: '台本がありません', copy: 'コピー', copied: 'コピーしました',
    quote: '「{{text}}」',
  },
  open: {
    title: '未完了', none: 'なし', visit: '訪問 {{eta}} 予定', delay: '約{{min}}分遅れ', asOf: '({{time}}現在)',
    callback: '折返し約束 {{due}} {{by}}', overdue: '超過',
  },
  contacts: {
    title: '直近の対応', none: '対応履歴なし', when: 'いつ', who: '誰', what: '内容', more: 'もっと見る',
    all: '対応履歴', failed: '履歴を取得できません', close: '閉じる', loading: '読み込み中',
    direction: { in: '着', out: '発' },
  },
  action: {
    take: '対応する', assist: '管理者に聞く', assistFirst: '管理者へ', decline: '辞退', park: 'パーク',
    finish: '後処理を終える', finishBlocked: '重要事項の確認(F2)が済むまで終えられません',
    declineReason: {
      busy: '手が離せない', policy_complaint: 'クレームのため担当・管理者へ', wrong_skill: '担当業務ではない',
    },
    declineTitle: '辞退の理由', none: '操作はありません',
  },
  idle: {
    ready: '着信をお待ちください', notReady: 'いまは着信を受けません', hint: '着信があるとここに表示されます',
    missed: '不在着信', noMissed: '不在着信はありません', team: '在席', teamFailed: '在席一覧を取得できません',
    ended: '直前の着信',
  },
  help: {
    title: 'ヘルプとキー操作', keys: 'キー', sound: '着信音', test: '音を試す', volume: '音量',
    focus: '着信時にカードへフォーカスを移す(入力中は移しません)',
    ime: '日本語入力の変換中はキー操作は働きません。Enter は入力欄にいないときだけ働きます。',
    key: {
      help: 'このヘルプ', ack: '重要事項を確認した', take: '対応する / 受付に戻る', finish: '後処理を終える',
      assist: '管理者に聞く', decline: '辞退の理由を選ぶ', choose: '該当者を選ぶ', presence: '在席状況を変更',
      park: 'パーク',
    },
  },
  error: {
    title: 'できませんでした', unauthorized: 'ログインし直してください', forbidden: '権限がありません',
    not_found: '見つかりません', conflict: '内容が更新されました。もう一度確認してください',
    already_taken: '他の人が対応中です', gone: 'この着信は終わっています', approval_required: '管理者の承認が必要です',
    transfer_limit: '転送は1回までです。管理者の承認が必要', notice_unacked: '重要事項が未確認です',
    readback_required: '復唱が必要です', validation: '入力内容を確認してください', rate_limited: '操作が多すぎます',
    pbx_refused: '電話設備が受け付けませんでした', timeout: '応答がありません', unavailable: '接続が切れています',
    internal: 'サーバー内部のエラーです',
  },
};

export type Strings = typeof ja;
