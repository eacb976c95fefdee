/** Entry of the `tabswarm` command: picks the command and turns every failure into one plain sentence. */
import { helpText, isCommand, UsageError } from './arguments.ts';
import { join } from './join.ts';
import type { Output } from './output.ts';
import { complaints, errorText } from './say.ts';
import { start } from './start.ts';
import { guarded } from './terminal.ts';
import { status } from './status.ts';
import { verify } from './verify.ts';

const console_: Output = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
};

const HELP_WORDS: ReadonlySet<string> = new Set(['help', '--help', '-h']);

/** Runs one command; resolves to the exit code: 0 fine, 1 failed, 2 not understood. */
export async function main(argv: readonly string[], terminal: Output = console_): Promise<number> {
  const output = guarded(terminal);
  const [command = 'help', ...args] = argv;
  try {
    if (HELP_WORDS.has(command) || args.some((word) => word === '--help' || word === '-h')) {
      const about = HELP_WORDS.has(command) ? args[0] : command;
      for (const line of helpText(about !== undefined && isCommand(about) ? about : null).split('\n'))
        output.out(line);
      return 0;
    }
    if (!isCommand(command)) throw new UsageError(complaints.noCommand(command));
    if (command === 'start') return await start(args, output);
    if (command === 'join') return await join(args, output);
    if (command === 'status') return await status(args, output);
    return await verify(args, output);
  } catch (error) {
    output.err(`tabswarm: ${errorText(error)}`);
    if (error instanceof UsageError) {
      output.err(
        isCommand(command)
          ? `"tabswarm ${command} --help" lists its options.`
          : '"tabswarm help" lists the commands and their options.',
      );
      return 2;
    }
    if (process.env.TABSWARM_DEBUG !== undefined && error instanceof Error)
      for (const line of (error.stack ?? '').split('\n')) output.err(line);
    return 1;
  }
}
