/** Notifications are off until asked for here; the browser then asks in its own words. */
import { useId } from 'react';
import { useStore } from 'zustand';
import { onTrusted } from './consent.ts';
import type { Device } from './shell/device.ts';
import { installStrings as t } from './strings/install.ts';

export function NotificationSwitch({ device }: { readonly device: Device }) {
  const id = useId();
  const state = useStore(device.store, (s) => s.notifications);
  if (state === 'unsupported') return null;
  return (
    <>
      <p className="chat-switch">
        <label>
          <input
            type="checkbox"
            checked={state === 'on'}
            disabled={state === 'denied'}
            aria-describedby={id}
            onChange={(event) => {
              const { checked } = event.currentTarget;
              onTrusted(() => device.actions.setNotifications(checked))(event);
            }}
          />
          {t.notify}
        </label>
      </p>
      <p className="hint" id={id}>
        {state === 'denied' ? t.denied : t.notifyHint}
      </p>
    </>
  );
}
