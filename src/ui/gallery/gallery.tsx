/**
 * Every state of the page, without a swarm: `npm run dev`, then /src/ui/gallery/?state=training. `&live` lets the
 * numbers move. A development page; the production build does not contain it.
 */
import { createRoot } from 'react-dom/client';
import { App } from '../app.tsx';
import '../styles/index.css';
import { fakeDevice } from './fake-device.ts';
import { fakeModel } from './fake-model.ts';
import { fakeSession } from './fake-session.ts';
import { ValidatePage } from '../validate-page.tsx';
import { openVerifyPage } from '../verify-page.tsx';
import { scenarios } from './scenarios.ts';
import { fakeValidation, validateScenarios } from './validate-scenarios.ts';

const query = new URLSearchParams(location.search);
const name = query.get('state');
const scenario = name === null ? undefined : scenarios[name];
const validation = name === null ? null : fakeValidation(name);
const container = document.getElementById('app');
if (container === null) throw new Error('gallery/index.html has no element #app');

if (name === 'verify') {
  createRoot(container).render(openVerifyPage(location.origin, location.hash));
} else if (validation !== null) {
  createRoot(container).render(<ValidatePage {...validation} />);
} else if (scenario === undefined) {
  createRoot(container).render(
    <main>
      <h1>Gallery</h1>
      <ul>
        <li>
          <a href="?state=verify">verify</a>
        </li>
        {validateScenarios.map((key) => (
          <li key={key}>
            <a href={`?state=${key}`}>{key}</a>
          </li>
        ))}
        {Object.keys(scenarios).map((key) => (
          <li key={key}>
            <a href={`?state=${key}`}>{key}</a> (<a href={`?state=${key}&live`}>live</a>)
          </li>
        ))}
      </ul>
    </main>,
  );
} else {
  const { store, actions } = fakeSession(scenario(), query.has('live'));
  createRoot(container).render(
    <App store={store} actions={actions} model={fakeModel(name ?? '')} device={fakeDevice(name ?? '')} />,
  );
}
