import type { Strings } from './ja';

export const en: Strings = {
  app: 'Toritsugi',
  login: {
    title: 'Log in', name: 'User name', password: 'Password', submit: 'Log in',
    wrong: 'Wrong user name or password', limited: 'Too many attempts. Please wait a little',
    failed: 'The server cannot be reached', sound: 'Test the ring', ended: 'You are logged out',
  },
  bar: {
    line: 'desk', noLine: 'No line', help: 'Help', logout: 'Log out', language: 'Language', other: '日本語',
    soundOn: 'Sound on', soundOff: 'Sound in another tab', soundLocked: 'Enable sound', noAgent: 'No desk',
  },
  link: {
    off: 'Not connected', connecting: 'Connecting', syncing: 'Syncing', open: 'Connected', waiting: 'Disconnected',
    refused: 'Stopped',
    lost: 'Connection lost – calls still ring on your phone', retrying: 'Reconnecting',
    superseded: 'In use on another device', forbidden: 'This connection is not allowed',
    version: 'This page is out of date. Please reload', useHere: 'Use here', reload: 'Reload',
    back: 'Connected again',
  },
  presence: {
    set: 'Change presence', until: 'Back at', untilHint: 'e.g. 14:00 (optional)', available: 'Available',
    away: 'Away', offline: 'Offline', apply: 'Change', setBy: 'Set by', untilShort: 'until {{time}}',
    self: 'yourself', badTime: 'Write the time like 14:00',
    unreachable: 'It could not be changed', rona: 'You are away because a call was not answered',
    back: 'Back to available',
    setByOther: 'An absence set by {{who}} cannot be undone by yourself',
    reason: {
      day_off: 'Day off', sick: 'Sick', meeting: 'In a meeting', other_case: 'On another case', break: 'On a break',
      left_for_day: 'Left for the day', out: 'Out of the office', rona: 'Did not answer', logged_out: 'Not logged in',
      offline: 'Not logged in', client_stale: 'Screen not responding', absent: 'Absent',
    },
    state: { idle: 'Idle', reserved: 'Reserved', ringing: 'Ringing', on_call: 'On a call', wrap_up: 'Wrap-up' },
  },
  call: {
    ringing: 'Ringing', seconds: '{{s}} s', limit: '/ {{s}} s', late: 'over {{s}} s', claimedBy: 'Looked at by {{by}}',
    claimed: 'Reserved', taken: 'Yours', waitingPhone: 'Answer on your phone', ended: 'Call ended',
    wrapup: 'Wrap-up', talk: 'Talking {{time}}', transfer: 'Transfer {{n}}/{{limit}}', expired: 'Offer expired',
    others: '{{n}} more', offerReason: {
      assignee: 'Assignee', assignee_absent: 'Assignee absent', group: 'Group', overflow: 'Overflow',
      fallback: 'Fall-back',
    },
    announce: 'Incoming call. {{who}}. {{line}}', announceNotice: 'There is an important notice',
    milestone: '{{s}} seconds left', milestoneLate: 'Ringing for more than {{s}} seconds',
    cause: {
      answered_elsewhere: 'Somebody else answered', caller_gave_up: 'The caller hung up', timeout: 'Not answered in time',
      rerouted: 'Sent elsewhere', policy: 'Sent elsewhere by a rule', declined: 'You declined',
      missed: 'Became a missed call', gone: 'Ended', closed: 'Ended',
    },
    title: 'Call',
  },
  notice: {
    heading: 'Important', ack: 'Noted', acked: 'noted', danger: 'Important', warn: 'Caution', info: 'Note', more: 'more',
    count: '{{n}}/{{total}}',
  },
  who: {
    honorific: '', rank: 'Rank {{rank}}', unknown: 'No match', unknownHint: 'No customer has this number',
    likely: 'Part of the number matches (please check)', display: 'Name sent by the caller',
    unverified: 'number not verified',
    withheldHint: 'Without a number there is no look-up', degraded: 'Look-up not available – number only',
    degradedHint: 'Customer data does not answer. Please ask for name and matter', pending: 'looking up', notAvailable: 'Look-up not available', notLookedUp: 'Not looked up',
    crm: 'External CRM: {{state}}', label: {
      withheld: 'Withheld', payphone: 'Payphone', out_of_area: 'Unavailable', service_conflict: 'Not available',
      error: 'Error', number: 'Number',
    },
    kind: {
      fixed: 'landline', mobile: 'mobile', ip: 'IP phone', freephone: 'freephone', extension: 'extension',
      foreign: 'abroad',
    },
  },
  several: {
    title: 'Several customers match', hint: 'Ask for the name and choose by number key. No history until then',
    choose: 'This one', more: '{{n}} more',
  },
  flag: {
    complaint: 'Complaint {{level}}', heavy_complaint: 'Heavy complaint', frequent: 'Frequent {{count}}/{{window}} h',
    frequentPlain: 'Frequent', chase: 'Chase no. {{count}}', chasePlain: 'Chase', contract_expired: 'Contract expired',
    vip: 'VIP', harassment: 'Harassment', dispatch: 'Visit planned', more: '+{{n}}',
  },
  assignee: {
    title: 'Assignee', none: 'No assignee on record', internal: 'Internal', spoken: 'Say', back: 'back at {{time}}',
    next: 'next in {{time}}', you: 'You are the assignee', present: 'Present', absent: 'Absent', away: 'Absent',
    available: 'Present', on_call: 'On a call', offline: 'Absent', why: 'Assigned as',
    reasons: { open_case_owner: 'owner of the open case', customer_owner: 'customer owner', assigned: 'customer owner',
      last_contact: 'last contact' },
    internalHint: 'internal – not for the customer',
  },
  say: {
    title: 'What to say', greeting: 'Greeting', step: {
      explain_absence: 'Explain the absence', offer_help: 'Offer help', propose_callback: 'Propose a callback',
    },
    locked: 'waiting for a manager’s approval', language: 'Script language', none: 'No script', copy: 'Copy',
    copied: 'Copied', quote: '“{{text}}”',
  },
  open: {
    title: 'Open', none: 'None', visit: 'Visit {{eta}}', delay: 'about {{min}} min late', asOf: '(as of {{time}})',
    callback: 'Callback promised {{due}} {{by}}', overdue: 'overdue',
  },
  contacts: {
    title: 'Last contacts', none: 'No contacts yet', when: 'When', who: 'Who', what: 'What', more: 'More',
    all: 'Contact history', failed: 'The history cannot be read', close: 'Close', loading: 'Loading',
    direction: { in: 'in', out: 'out' },
  },
  action: {
    take: 'Take', assist: 'Ask a manager', assistFirst: 'To a manager', decline: 'Decline', park: 'Park',
    finish: 'Finish wrap-up', finishBlocked: 'Confirm the important notice (F2) first',
    declineReason: {
      busy: 'Cannot take it now', policy_complaint: 'Complaint: to the owner or a manager', wrong_skill: 'Not my field',
    },
    declineTitle: 'Reason for declining', none: 'No actions',
  },
  idle: {
    ready: 'Waiting for calls', notReady: 'No calls are offered to you now', hint: 'A call appears here',
    missed: 'Missed calls', noMissed: 'No missed calls', team: 'Presence', teamFailed: 'Presence cannot be read',
    ended: 'Last call',
  },
  help: {
    title: 'Help and keys', keys: 'Keys', sound: 'Ring', test: 'Test the sound', volume: 'Volume',
    focus: 'Move focus to the card when a call comes (never while you type)',
    ime: 'Keys do nothing while Japanese input is being converted. Enter works only outside of text fields.',
    key: {
      help: 'This help', ack: 'Confirm the important notice', take: 'Take / back to available',
      finish: 'Finish wrap-up', assist: 'Ask a manager', decline: 'Choose a reason to decline',
      choose: 'Choose a customer', presence: 'Change presence', park: 'Park',
    },
  },
  error: {
    title: 'Not done', unauthorized: 'Please log in again', forbidden: 'You may not do this', not_found: 'Not found',
    conflict: 'It has changed meanwhile. Please look again', already_taken: 'Somebody else has it',
    gone: 'This call has ended', approval_required: 'A manager must approve', transfer_limit:
    'One transfer only. A manager must approve', notice_unacked: 'An important notice is not confirmed',
    readback_required: 'Read-back is required', validation: 'Please check what you entered',
    rate_limited: 'Too many actions', pbx_refused: 'The telephone system refused', timeout: 'No answer',
    unavailable: 'The connection is lost', internal: 'Internal error of the server',
  },
};
