/** Before a build: the bundler reads "#" and "?" in a path as parts of a URL, and would end with a stack trace. */
const [found] = /[#?]/.exec(process.cwd()) ?? [];
if (found !== undefined) {
  console.error(
    `The page cannot be built in "${process.cwd()}": the bundler takes no "${found}" in a path. Move or rename the folder.`,
  );
  process.exit(1);
}
