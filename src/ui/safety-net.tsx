/**
 * If drawing the page fails, the person must still be able to stop what runs: shows the problem, Stop and Reload in
 * place of the page.
 */
import { messageOf } from '../protocol/errors.ts';
import { Component, type ReactNode } from 'react';
import { strings } from './strings.ts';

interface Props {
  readonly onStop: (() => void) | undefined;
  readonly children: ReactNode;
}

export class SafetyNet extends Component<Props, { readonly failed: string | null }> {
  override state = { failed: null };

  static getDerivedStateFromError(error: unknown) {
    return { failed: messageOf(error) };
  }

  override render() {
    if (this.state.failed === null) return this.props.children;
    const { title, text } = strings.problems.internal;
    return (
      <div className="banner banner-bad" role="alert">
        <span />
        <div className="banner-text">
          <h2>{title}</h2>
          <p>{this.state.failed}</p>
          <p>{text}</p>
        </div>
        <div className="controls-buttons">
          {this.props.onStop !== undefined && (
            <button type="button" className="button" onClick={this.props.onStop}>
              {strings.controls.stop}
            </button>
          )}
          <button type="button" className="button" onClick={() => location.reload()}>
            {strings.common.reload}
          </button>
        </div>
      </div>
    );
  }
}
