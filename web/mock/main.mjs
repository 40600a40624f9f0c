// `npm run mock`: the page with a mock behind it, to be looked at. A card comes every 25 seconds, or on
// demand: curl 'http://127.0.0.1:8099/__mock/offer?card=several'   (known english several unknown degraded
// restricted:payphone)
import * as scenarios from './scenarios.mjs';
import { startMock } from './server.mjs';

const mock = await startMock({ port: Number(process.env.PORT ?? 8099) });
mock.desk.talkMs = 15_000;
process.stdout.write(`${mock.url}  any name, password "password"\n`);

const cards = [
  scenarios.known,
  scenarios.several,
  scenarios.restricted,
  scenarios.unknown,
  scenarios.english,
  scenarios.degraded,
];
let next = 0;
setInterval(() => {
  if (mock.desk.sockets.length === 0 || mock.desk.pops.size > 0) return;
  const call = mock.desk.offer(cards[next % cards.length]());
  next += 1;
  setTimeout(
    () => mock.desk.pops.get(call)?.state === 'offered' && mock.desk.withdraw(call, 'timeout'),
    15_000,
  );
}, 25_000);
