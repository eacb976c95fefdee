/** The mark: three browser tabs flying in formation. The same drawing as public/favicon.svg, in the text's colours. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path className="logo-a" d="M3 27v-8.5a3 3 0 0 1 3-3h5a3 3 0 0 1 3 3V27Z" />
      <path className="logo-b" d="M18 27v-8.5a3 3 0 0 1 3-3h5a3 3 0 0 1 3 3V27Z" />
      <path className="logo-c" d="M9.5 13V7.5a3 3 0 0 1 3-3h7a3 3 0 0 1 3 3V13Z" />
    </svg>
  );
}
