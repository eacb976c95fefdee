/** The page as an app of this device: a banner for a new version, and a panel with Install and notifications. */
import { useStore } from 'zustand';
import { onTrusted } from './consent.ts';
import { useDevice } from './context.tsx';
import { NotificationSwitch } from './notifications.tsx';
import type { Device } from './shell/device.ts';
import { strings } from './strings.ts';
import { installStrings as t } from './strings/install.ts';

/** Shown until the page is reloaded: never by itself, since a round may be in hand. */
export function UpdateBanner() {
  const device = useDevice();
  return device === null ? null : <Banner device={device} />;
}

function Banner({ device }: { readonly device: Device }) {
  const update = useStore(device.store, (s) => s.update);
  if (!update) return null;
  return (
    <section
      className="banner banner-warn banner-update"
      aria-live="polite"
      aria-labelledby="update-heading"
      data-testid="update"
    >
      <svg className="banner-icon" viewBox="0 0 24 24" aria-hidden="true">
        <path d="M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5" />
      </svg>
      <div className="banner-text">
        <h2 id="update-heading">{t.update.title}</h2>
        <p>{t.update.text}</p>
      </div>
      <button type="button" className="button" onClick={onTrusted(() => device.actions.reload())}>
        {strings.common.reload}
      </button>
    </section>
  );
}

export function DevicePanel() {
  const device = useDevice();
  return device === null ? null : <Panel device={device} />;
}

function Panel({ device }: { readonly device: Device }) {
  const install = useStore(device.store, (s) => s.install);
  return (
    <section className="block device" aria-labelledby="device-heading" data-testid="device">
      <h2 id="device-heading">{t.heading}</h2>
      <NotificationSwitch device={device} />
      {install === 'offered' && (
        <button
          type="button"
          className="button"
          aria-describedby="install-hint"
          onClick={onTrusted(() => device.actions.install())}
        >
          {t.install}
        </button>
      )}
      <p className="hint" id="install-hint">
        {install === 'installed' ? t.installed : install === 'offered' ? t.installHint : t.menu}
      </p>
    </section>
  );
}
