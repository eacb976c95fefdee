/** The form of most explanations on the page. */

/** A short name and one sentence of explanation. */
export interface Explained {
  readonly title: string;
  readonly text: string;
}
