/** The chat box: loads the certified model when asked to, continues a text, says which state wrote it. */
import { useEffect, useId, useState } from 'react';
import { useStore } from 'zustand';
import type { ChatText } from '../app/chat.ts';
import type { ChatBackend } from '../worker/chat-api.ts';
import { onTrusted } from './consent.ts';
import { type LiveModel, useApp, useModel } from './context.tsx';
import * as format from './format.ts';
import { chatProblemText, chatStrings as t } from './strings/chat.ts';

const BACKENDS = ['wasm', 'webgpu'] as const;
const LENGTHS = [40, 80, 160, 320] as const;
/** Prompts beyond the model's memory are cut anyway; this keeps a pasted book out of the page. */
const MAX_PROMPT = 4000;

type Chat = LiveModel['chat'];

export function ChatBox() {
  const model = useModel();
  return model === null ? null : <Box chat={model.chat} />;
}

function Box({ chat }: { readonly chat: Chat }) {
  const view = useStore(chat.store);
  const trained = useApp((s) => s.trainedTokens);
  return (
    <section
      className="block chat"
      aria-labelledby="chat-heading"
      data-testid="chat"
      data-status={view.status}
    >
      <h2 id="chat-heading">{t.heading}</h2>
      <p className="hint">{t.honest(trained > 0 ? format.compact(trained) : null)}</p>
      {view.problem !== null && (
        <p className="chat-problem" role="alert">
          {chatProblemText(view.problem)}
        </p>
      )}
      {view.status === 'off' && <Load chat={chat} />}
      {view.status === 'loading' && (
        <div className="chat-row">
          <output>{t.loading}</output>
          <button type="button" className="button button-small" onClick={() => chat.close()}>
            {t.cancel}
          </button>
        </div>
      )}
      {(view.status === 'ready' || view.status === 'writing') && (
        <>
          <StateLine chat={chat} />
          <Prompt chat={chat} />
        </>
      )}
      {view.texts.length > 0 && (
        <div aria-live="polite" aria-busy={view.status === 'writing'}>
          <ol className="chat-texts" aria-label={t.texts}>
            {view.texts.map((text) => (
              <Text key={text.id} text={text} />
            ))}
          </ol>
        </div>
      )}
    </section>
  );
}

/** What loading costs; a tab that trains has the model already. */
export function useStateBytes(): string | null {
  const parameters = useApp((s) => s.run?.parameters ?? 0);
  const watching = useApp((s) => s.intent === 'watching');
  return watching && parameters > 0 ? format.about(4 * parameters) : null;
}

function Load({ chat }: { readonly chat: Chat }) {
  const id = useId();
  const bytes = useStateBytes();
  const watching = useApp((s) => s.intent === 'watching');
  const [backend, setBackend] = useState<ChatBackend | null>(null);
  const [preferred, setPreferred] = useState<ChatBackend>('wasm');
  useEffect(() => {
    let gone = false;
    void chat.preferredBackend(!watching).then((best) => {
      if (!gone) setPreferred(best);
    });
    return () => {
      gone = true;
    };
  }, [chat, watching]);
  const chosen = backend ?? preferred;
  return (
    <div className="chat-load">
      <fieldset className="chat-choice">
        <legend>{t.where}</legend>
        {BACKENDS.map((name) => (
          <label key={name}>
            <input
              type="radio"
              name={`${id}-backend`}
              checked={chosen === name}
              onChange={() => setBackend(name)}
            />
            {t.backends[name]}
          </label>
        ))}
      </fieldset>
      <p className="hint" id={`${id}-costs`}>
        {t.costs(chosen, bytes)}
        {(!watching || chosen === 'wasm') && t.effect[chosen]}
      </p>
      <button
        type="button"
        className="button"
        aria-describedby={`${id}-costs`}
        onClick={onTrusted(() => void chat.load(chosen))}
      >
        {t.load}
      </button>
    </div>
  );
}

function StateLine({ chat }: { readonly chat: Chat }) {
  const { state, backend, threads, status, fellBack } = useStore(chat.store);
  const height = useApp((s) => s.height);
  if (state === null || backend === null) return null;
  return (
    <>
      <p className="chat-state" data-testid="chat-state" data-root={state.root} data-height={state.height}>
        {t.state} <span className="mono">{format.shortId(state.root, 12)}</span>{' '}
        {t.round(format.count(state.height))} · {t.backends[backend]}
        {threads > 0 && `, ${t.threads(threads)}`}
      </p>
      {fellBack && <p className="hint">{t.fellBack}</p>}
      <div className="chat-row">
        {height > state.height && (
          <button
            type="button"
            className="button button-small"
            disabled={status === 'writing'}
            onClick={onTrusted(() => void chat.load(backend))}
          >
            {t.newer(format.count(height))}
          </button>
        )}
        <button type="button" className="button button-small" onClick={() => chat.close()}>
          {t.unload}
        </button>
      </div>
    </>
  );
}

function Prompt({ chat }: { readonly chat: Chat }) {
  const id = useId();
  const writing = useStore(chat.store, (s) => s.status === 'writing');
  const [prompt, setPrompt] = useState('');
  const [greedy, setGreedy] = useState(true);
  const [temperature, setTemperature] = useState(0.8);
  const [topP, setTopP] = useState(0.95);
  const [maxTokens, setMaxTokens] = useState<number>(LENGTHS[0]);
  const write = () => {
    const sampling = greedy ? { temperature: 0, topP: 1 } : { temperature, topP };
    void chat.write({ prompt, sampling, maxTokens, seed: crypto.randomUUID() });
  };
  return (
    <form className="chat-form" onSubmit={(event) => event.preventDefault()}>
      <label htmlFor={`${id}-prompt`}>{t.prompt}</label>
      <textarea
        id={`${id}-prompt`}
        rows={3}
        maxLength={MAX_PROMPT}
        value={prompt}
        aria-describedby={`${id}-hint`}
        onChange={(event) => setPrompt(event.currentTarget.value)}
      />
      <p className="hint" id={`${id}-hint`}>
        {t.promptHint}
      </p>
      <div className="chat-settings">
        <label>
          {t.choice}
          <select
            value={greedy ? 'greedy' : 'sampled'}
            onChange={(e) => setGreedy(e.currentTarget.value === 'greedy')}
          >
            <option value="greedy">{t.greedy}</option>
            <option value="sampled">{t.sampled}</option>
          </select>
        </label>
        {!greedy && (
          <>
            <NumberField label={t.temperature} value={temperature} min={0.1} max={2} set={setTemperature} />
            <NumberField label={t.topP} value={topP} min={0.05} max={1} set={setTopP} />
          </>
        )}
        <label>
          {t.length}
          <select value={maxTokens} onChange={(e) => setMaxTokens(Number(e.currentTarget.value))}>
            {LENGTHS.map((n) => (
              <option key={n} value={n}>
                {t.tokens(n)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div className="chat-row">
        <button type="button" className="button button-primary" disabled={writing} onClick={onTrusted(write)}>
          {t.write}
        </button>
        <button type="button" className="button" disabled={!writing} onClick={() => chat.stopWriting()}>
          {t.stop}
        </button>
      </div>
    </form>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly set: (value: number) => void;
}

function NumberField({ label, value, min, max, set }: NumberFieldProps) {
  return (
    <label>
      {label}
      <input
        type="number"
        min={min}
        max={max}
        step={0.05}
        value={value}
        onChange={(event) => {
          const { valueAsNumber } = event.currentTarget;
          if (valueAsNumber >= min && valueAsNumber <= max) set(valueAsNumber);
        }}
      />
    </label>
  );
}

function Text({ text: { prompt, text, result, state, sampling } }: { readonly text: ChatText }) {
  const facts = [
    `${t.round(format.count(state.height))}, ${format.shortId(state.root, 12)}`,
    t.how(sampling.temperature, sampling.topP),
    ...(result === null
      ? [t.writing]
      : [t.speed(result.tokens, format.speed(result.tokensPerSecond)), t.ended[result.ended]]),
  ];
  return (
    <li data-testid="chat-text" data-root={state.root} data-ended={result?.ended ?? ''}>
      <p className="chat-text">
        <span className="chat-prompt">{prompt}</span>
        <span data-testid="chat-continuation">{text}</span>
        {result !== null && text === '' && <span className="hint">{t.nothing}</span>}
      </p>
      <p className="hint">{facts.join(' · ')}</p>
    </li>
  );
}
