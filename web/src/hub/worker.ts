// The SharedWorker: one hub for all tabs. Its timers are not throttled when the tabs are in the background,
// so pings are answered in time (`pop-protocol.md`, Heart-beat).
import { browserHost } from './browser_host';
import { Hub } from './hub';
import type { ToHub } from './messages';

const scope = self as unknown as {
  location: Location;
  onconnect: ((event: MessageEvent) => void) | null;
};
const hub = new Hub(browserHost(scope.location.origin));

scope.onconnect = (event) => {
  const port = event.ports[0];
  if (port === undefined) return;
  port.onmessage = ({ data }: MessageEvent<ToHub>) => {
    if (data.type === 'attach') detachWhenGone(data.tab, port);
    hub.handle(port, data, (message) => port.postMessage(message));
  };
};

/**
 * A tab that crashes says no goodbye, but its lock is released: waiting for that lock is waiting for its end.
 */
function detachWhenGone(tab: string, port: MessagePort): void {
  if (navigator.locks === undefined) return;
  void navigator.locks.request(tabLock(tab), () => hub.detach(port));
}

function tabLock(tab: string): string {
  return `toritsugi-tab-${tab}`;
}
