/** The mark: three browser tabs in formation. The same drawing as public/logo.svg, in the page's colours. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path
        className="logo-a"
        d="M0.5 28c2 0 2.5-1 2.5-3v-4.5a3 3 0 0 1 3-3h4a3 3 0 0 1 3 3v4.5c0 2 .5 3 2.5 3Z"
      />
      <path
        className="logo-b"
        d="M16.5 28c2 0 2.5-1 2.5-3v-4.5a3 3 0 0 1 3-3h4a3 3 0 0 1 3 3v4.5c0 2 .5 3 2.5 3Z"
      />
      <path
        className="logo-c"
        d="M8.5 15.5c2 0 2.5-1 2.5-3v-4.5a3 3 0 0 1 3-3h4a3 3 0 0 1 3 3v4.5c0 2 .5 3 2.5 3Z"
      />
    </svg>
  );
}
