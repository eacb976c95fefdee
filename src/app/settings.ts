/** The volunteer's settings, kept in localStorage; a browser that keeps nothing just forgets them. */

const GPU_SHARE = 'tabswarm.gpuShare';

export function loadGpuShare(): number {
  try {
    const value = Number(localStorage.getItem(GPU_SHARE));
    return value >= 0.1 && value <= 1 ? value : 1;
  } catch {
    return 1;
  }
}

export function saveGpuShare(share: number): void {
  try {
    localStorage.setItem(GPU_SHARE, String(share));
  } catch {
    // Storage is off: the setting lasts as long as the tab.
  }
}
