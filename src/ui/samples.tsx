/** The texts the model wrote as it learned, as a timeline from the first round to now. */
import { useId } from 'react';
import { useStore } from 'zustand';
import { SAMPLE_PROMPT } from '../app/samples.ts';
import { useStateBytes } from './chat.tsx';
import { onTrusted } from './consent.ts';
import { type LiveModel, useModel } from './context.tsx';
import * as format from './format.ts';
import { chatProblemText, samplesStrings as t } from './strings/chat.ts';

export function SamplesPanel() {
  const model = useModel();
  return model === null ? null : <Timeline samples={model.samples} />;
}

function Timeline({ samples: model }: { readonly samples: LiveModel['samples'] }) {
  const { enabled, writing, problem, samples } = useStore(model.store);
  const bytes = useStateBytes();
  const id = useId();
  return (
    <section className="block" aria-labelledby="samples-heading" data-testid="samples">
      <h2 id="samples-heading">{t.heading}</h2>
      <p className="hint">{t.hint(SAMPLE_PROMPT)}</p>
      <p className="chat-switch">
        <label>
          <input
            type="checkbox"
            checked={enabled}
            aria-describedby={`${id}-costs`}
            onChange={(event) => {
              const { checked } = event.currentTarget;
              onTrusted(() => model.setEnabled(checked))(event);
            }}
          />
          {t.enable}
        </label>
      </p>
      <p className="hint" id={`${id}-costs`}>
        {t.costs(bytes)}
      </p>
      {problem !== null && <p className="chat-problem">{t.problem(chatProblemText(problem))}</p>}
      {samples.length === 0 && !writing && <p className="empty">{enabled ? t.empty : t.off}</p>}
      {(samples.length > 0 || writing) && (
        <ol className="samples">
          {samples.map(({ height, root, loss, text }) => (
            <li key={height} data-testid="sample" data-root={root}>
              <p className="samples-when">
                <strong>{t.rounds(format.count(height))}</strong>
                <span>
                  {loss !== null && `${t.loss(format.loss(loss))} · `}
                  <span className="mono" title={root}>
                    {format.shortId(root, 12)}
                  </span>
                </span>
              </p>
              <p className="chat-text">
                <span className="chat-prompt">{SAMPLE_PROMPT}</span>
                {text}
              </p>
            </li>
          ))}
          {writing && <li className="hint">{t.writing}</li>}
        </ol>
      )}
    </section>
  );
}
