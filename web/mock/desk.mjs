import { randomUUID } from 'node:crypto';

/**
 * One agent's stream as the server keeps it: numbered events, live cards, sockets; tests read `commands` and
 * `acks`.
 */
export class MockDesk {
  agent = 'a102';
  epoch = 'b7f3';
  seq = 0;
  sockets = [];
  buffer = [];
  pops = new Map();
  parked = new Map();
  presence = {
    agent: 'a102',
    status: 'available',
    reason: null,
    until: null,
    next_start: null,
    set_by: null,
    since: null,
    state: 'idle',
  };
  commands = [];
  acks = [];
  hellos = [];
  /** Milliseconds after which a taken call ends by itself; null: never. */
  talkMs = null;

  get stream() {
    return `agent:${this.agent}`;
  }

  /** A socket said hello: welcome, then replay or snapshot, then sync.done. */
  join(socket, hello) {
    this.hellos.push(hello);
    this.sockets.push(socket);
    const wanted = (hello.resume ?? []).find((item) => item.stream === this.stream);
    const resumed = wanted?.epoch === this.epoch && wanted.seq <= this.seq;
    send(socket, {
      kind: 'welcome',
      data: {
        session: 's-91',
        agent: this.agent,
        roles: ['agent'],
        server_time: new Date().toISOString(),
        heartbeat_s: 15,
        streams: [{ stream: this.stream, epoch: this.epoch, seq: this.seq, resumed }],
        lead: this.sockets.length === 1,
        limits: { cmd_per_s: 20, queue: 256 },
      },
    });
    if (resumed) {
      for (const event of this.buffer.filter((item) => item.seq > wanted.seq))
        send(socket, { ...event, replay: true });
    } else {
      send(socket, this.frame('snapshot', { data: this.snapshot() }));
    }
    send(socket, this.frame('sync.done', { data: {} }));
  }

  leave(socket) {
    const wasLead = this.sockets[0] === socket;
    this.sockets = this.sockets.filter((item) => item !== socket);
    if (wasLead && this.sockets[0]) this.lead(this.sockets[0]);
  }

  /** The socket that may sound stands first. */
  lead(socket) {
    this.sockets = [socket, ...this.sockets.filter((item) => item !== socket)];
    for (const item of this.sockets) {
      send(item, { kind: 'event', type: 'lead.changed', id: randomUUID(), data: { lead: item === socket } });
    }
  }

  emit(type, extra = {}) {
    this.seq += 1;
    const event = this.frame(type, extra);
    this.buffer.push(event);
    for (const socket of this.sockets) send(socket, event);
    return event;
  }

  frame(type, { data = {}, ...rest }) {
    return {
      kind: 'event',
      type,
      id: randomUUID(),
      stream: this.stream,
      epoch: this.epoch,
      seq: this.seq,
      at: new Date().toISOString(),
      data,
      ...rest,
    };
  }

  offer(card, { call = `c-${randomUUID().slice(0, 8)}`, expiresMs = 30_000 } = {}) {
    const expires = new Date(Date.now() + expiresMs).toISOString();
    const event = this.emit('pop.offered', { call, rev: 1, expires, ack: 'render', data: card });
    this.pops.set(call, { call, rev: 1, state: 'offered', at: event.at, expires, data: card });
    return call;
  }

  /** A caller waits since so many seconds. */
  park(parked, { call = `c-${randomUUID().slice(0, 8)}`, waitedS = 0, limitS = 380 } = {}) {
    const since = Date.now() - waitedS * 1000;
    const data = {
      mode: 'ringing',
      position: this.parked.size + 1,
      waiting: this.parked.size + 1,
      group: 'front',
      by: null,
      ...parked,
      since: new Date(since).toISOString(),
      until: new Date(since + limitS * 1000).toISOString(),
      limit: new Date(since + limitS * 1000).toISOString(),
    };
    this.parked.set(call, data);
    this.emit('call.parked', { call, data });
    return call;
  }

  unpark(call, outcome = 'retrieved') {
    this.parked.delete(call);
    this.emit('call.retrieved', { call, data: { by: null, outcome, waited_s: 0 } });
  }

  update(type, call, members) {
    const pop = this.pops.get(call);
    pop.rev += 1;
    pop.data = { ...pop.data, ...members };
    this.emit(type, { call, rev: pop.rev, data: members });
  }

  withdraw(call, cause = 'caller_gave_up') {
    const pop = this.pops.get(call);
    this.pops.delete(call);
    this.emit('pop.withdrawn', { call, rev: pop.rev + 1, data: { cause } });
    this.emit('pop.missed', { call, rev: pop.rev + 2, data: {} });
  }

  endCall(call, wrapUpMs = 30_000) {
    const pop = this.pops.get(call);
    if (!pop) return;
    pop.rev += 1;
    pop.state = 'wrapup';
    this.emit('call.ended', { call, rev: pop.rev, data: {} });
    this.emit('wrapup.started', {
      call,
      rev: pop.rev,
      data: { until: new Date(Date.now() + wrapUpMs).toISOString() },
    });
  }

  setPresence(changes) {
    this.presence = { ...this.presence, ...changes };
    this.emit('presence.changed', { data: this.presence });
  }

  snapshot() {
    return {
      presence: this.presence,
      pops: [...this.pops.values()],
      parked: [...this.parked].map(([call, parked]) => ({ call, ...parked })),
      callbacks: [],
      approvals: [],
      unread: { notices: [], handovers: [], briefing: [] },
      config_hash: 'c0',
    };
  }

  command(socket, command) {
    this.commands.push(command);
    const refused = this.run(socket, command);
    const reply = { kind: 'reply', replies_to: command.id, ok: refused === undefined, data: {} };
    send(socket, refused === undefined ? reply : { ...reply, error: refused });
  }

  /** Carries the command out; gives the error of the reply, or nothing. */
  run(socket, { type, call, data }) {
    const pop = call ? this.pops.get(call) : undefined;
    if (type === 'call.retrieve') return this.retrieve(call);
    if (call && !pop) return { code: 'gone', retry: false };
    if (type === 'lead.take') return this.lead(socket);
    if (type === 'presence.set') {
      const away = data.state !== 'available';
      return this.setPresence({
        status: data.state,
        reason: away ? data.reason : null,
        until: away ? (data.until ?? null) : null,
        set_by: this.agent,
      });
    }
    if (type === 'notice.ack')
      return (
        this.emit('notice.acked', { call, rev: pop.rev, data: { id: data.id, by: this.agent } }) && undefined
      );
    if (type === 'pop.take') return this.take(pop);
    if (type === 'call.park') return this.parkOffered(pop);
    if (type === 'pop.decline') return this.close(pop, 'pop.withdrawn', { cause: 'declined' });
    if (type === 'pop.choose') return this.choose(pop, data.customer);
    if (type === 'wrapup.finish') return this.close(pop, 'pop.closed', {});
    return { code: 'unavailable', ja: 'まだ使えません', en: 'Not available yet', retry: false };
  }

  take(pop) {
    pop.rev += 1;
    pop.state = 'taken';
    this.emit('pop.taken', { call: pop.call, rev: pop.rev, data: { by: this.agent } });
    this.emit('call.answered', { call: pop.call, rev: pop.rev, data: { by: this.agent } });
    if (this.talkMs !== null) setTimeout(() => this.endCall(pop.call), this.talkMs).unref();
  }

  parkOffered(pop) {
    this.close(pop, 'pop.withdrawn', { cause: 'rerouted' });
    const { caller, dialled, match } = pop.data;
    const customer = match.customer?.name ?? null;
    this.park({ caller, dialled, customer, by: this.agent, position: 0 }, { call: pop.call });
  }

  retrieve(call) {
    if (!this.parked.has(call)) {
      return { code: 'gone', ja: 'この着信は終了しました', en: 'This call is no longer offered', retry: false };
    }
    const { caller, dialled } = this.parked.get(call);
    this.unpark(call);
    this.offer({ caller, dialled, actions: ['take', 'decline'] }, { call });
    return undefined;
  }

  close(pop, type, data) {
    this.pops.delete(pop.call);
    this.emit(type, { call: pop.call, rev: pop.rev + 1, data });
  }

  choose(pop, id) {
    const customer = pop.data.match.candidates.find((item) => item.id === id);
    if (!customer) return { code: 'not_found', retry: false };
    pop.rev += 1;
    this.emit('match.chosen', { call: pop.call, rev: pop.rev, data: { customer: id } });
    const contacts = [
      {
        at: new Date().toISOString(),
        by: '佐藤',
        direction: 'in',
        summary: '選択後に見える履歴',
        disposition: '',
      },
    ];
    this.update('pop.updated', pop.call, {
      match: { ...pop.data.match, level: 'known', customer },
      contacts,
    });
    return undefined;
  }
}

export function send(socket, frame) {
  socket.send(JSON.stringify({ v: 1, ...frame }));
}
