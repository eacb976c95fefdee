/** The page as an app of a device that only pretends: Install and notifications in the states they can be in. */
import { createStore } from 'zustand/vanilla';
import type { Device, DeviceView } from '../shell/device.ts';

const VIEWS: Readonly<Record<string, DeviceView>> = {
  'new-version': { update: true, install: 'installed', notifications: 'on' },
  'notifications-denied': { update: false, install: 'offered', notifications: 'denied' },
};

/** `name` of the gallery's state; unknown ones have everything off. */
export function fakeDevice(name: string): Device {
  const store = createStore<DeviceView>(
    () => VIEWS[name] ?? { update: false, install: 'unknown', notifications: 'off' },
  );
  return {
    store,
    actions: {
      install: () => store.setState({ install: 'installed' }),
      setNotifications: (on) => store.setState({ notifications: on ? 'on' : 'off' }),
      reload: () => location.reload(),
    },
  };
}
