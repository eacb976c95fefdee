/** The ledger for the web: in pages, and made once a certificate. */
import { expect, test } from 'vitest';
import { emptyLedger, type Ledger } from '../chain/ledger.ts';
import { testAccount, testAccounts } from '../chain/testing.ts';
import { toHex } from '../protocol/bytes.ts';
import { testHash } from '../protocol/testing.ts';
import { accountsPage, accountTotals, MAX_ACCOUNTS } from './accounts.ts';

const ledgerOf = (n: number): Ledger => ({
  ...emptyLedger(),
  ...testAccounts(
    ...Array.from({ length: n }, (_, i) =>
      testAccount(testHash(i), { credits: i % 7, accepted: 1, refused: 2, units: 3 }),
    ),
  ),
});

test('pages hold everybody once, most credits first, and never more than so many', () => {
  const ledger = ledgerOf(2 * MAX_ACCOUNTS + 5);
  const pages = [0, MAX_ACCOUNTS, 2 * MAX_ACCOUNTS].map((from) => accountsPage(ledger, from, 1e9));
  expect(pages.map((page) => page.length)).toEqual([MAX_ACCOUNTS, MAX_ACCOUNTS, 5]);
  const all = pages.flat();
  expect(new Set(all.map(({ contributor }) => contributor))).toEqual(new Set(ledger.accounts.keys()));
  for (let i = 1; i < all.length; i++) expect(all[i - 1].credits).toBeGreaterThanOrEqual(all[i].credits);
  expect(accountsPage(ledger, 1e9, 10)).toEqual([]);
  expect(accountTotals(ledger)).toEqual({ accounts: 2005, accepted: 2005, refused: 4010, tokens: 6015 });
});

test('a ledger is read once, however often it is asked for', () => {
  const ledger = ledgerOf(30);
  let reads = 0;
  const watched: Ledger = {
    ...ledger,
    get accounts() {
      reads++;
      return ledger.accounts;
    },
  };
  for (let i = 0; i < 100; i++) {
    accountsPage(watched, 0, 20);
    accountTotals(watched);
  }
  expect(reads).toBe(1);
  const [first] = accountsPage(watched, 0, 1);
  expect(first.contributor).toHaveLength(2 * testHash(0).length);
  expect(ledger.accounts.has(toHex(testHash(0)))).toBe(true);
});
