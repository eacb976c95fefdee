/** The GPU-share slider, 10 to 100 %, used before and after Start. */
import { useId } from 'react';
import { useActions, useApp } from './context.tsx';
import * as format from './format.ts';
import { controlStrings } from './strings/controls.ts';

export function GpuShare() {
  const share = useApp((s) => s.settings.gpuShare);
  const actions = useActions();
  const id = useId();
  return (
    <div className="share">
      <label htmlFor={id}>{controlStrings.share}</label>
      <output htmlFor={id}>{format.percent(share)}</output>
      <input
        id={id}
        type="range"
        min={10}
        max={100}
        step={5}
        value={Math.round(share * 100)}
        disabled={actions === null}
        aria-valuetext={format.percent(share)}
        aria-describedby={`${id}-hint`}
        style={{ '--fill': `${((share * 100 - 10) / 90) * 100}%` } as React.CSSProperties}
        onChange={(event) => actions?.changeSettings({ gpuShare: Number(event.currentTarget.value) / 100 })}
      />
      <p id={`${id}-hint`} className="hint">
        {controlStrings.shareHint}
      </p>
    </div>
  );
}
