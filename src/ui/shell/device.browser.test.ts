/** Notifications in Chromium: off until asked for, only while nobody looks, only for what is worth one. */
import { afterEach, expect, test, vi } from 'vitest';
import { createAppStore } from '../../app/store.ts';
import { createDevice } from './device.ts';

const shown: string[] = [];
class FakeNotification {
  static permission: NotificationPermission = 'default';
  static requestPermission = vi.fn(async () => {
    FakeNotification.permission = 'granted';
    return FakeNotification.permission;
  });
  addEventListener(): void {}
  constructor(title: string) {
    shown.push(title);
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  localStorage.clear();
});

test('asks the browser only when told to, and tells only a tab in the background', async () => {
  vi.stubGlobal('Notification', FakeNotification);
  const session = createAppStore();
  const device = createDevice((notice) => ({ title: notice.kind, text: '' }));
  const release = device.follow(session);
  const visible = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  const finish = (finishedRound: number) =>
    session.setState((s) => ({ control: { ...s.control, finishedRound } }));

  finish(1);
  expect(device.store.getState().notifications).toBe('off');
  expect(FakeNotification.requestPermission).not.toHaveBeenCalled();

  device.actions.setNotifications(true);
  await expect.poll(() => device.store.getState().notifications).toBe('on');
  finish(2);
  // It asks the browser for its service worker first.
  await expect.poll(() => shown).toEqual(['finished']);

  visible.mockReturnValue('visible');
  finish(3);
  visible.mockReturnValue('hidden');
  device.actions.setNotifications(false);
  finish(4);
  device.actions.setNotifications(true);
  finish(5);
  release();
  finish(6);
  await expect.poll(() => shown).toHaveLength(2);
});
