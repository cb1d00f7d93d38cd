import { randomBytes } from 'node:crypto';

import { expect, it } from '@jest/globals';

import { Tickets } from '../../../../src/access/sign-in/tickets.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

const tickets = new Tickets(randomBytes(32));

it('a ticket leads where it was issued for', () => {
  const path = `/.postern/authorize?app=wiki&path=${'a'.repeat(1_000)}`;
  expect(tickets.read(tickets.issue(path))).toBe(path);
});

it('O24 nobody else can write one', () => {
  const ticket = tickets.issue('/.postern/authorize?app=wiki');
  const [text = '', seal = ''] = ticket.split('.');
  const other = Buffer.from('/elsewhere').toString('base64url');
  const forged = [
    `${other}.${seal}`,
    `${text}.`,
    text,
    `${text}.${seal}.x`,
    `${text}.${seal.slice(0, -4)}`,
    new Tickets(randomBytes(32)).issue('/elsewhere'),
    'x'.repeat(LIMITS.ticketChars + 1),
    '',
    undefined,
  ];
  for (const one of forged) expect(tickets.read(one)).toBe('/');
});

it('O24 a ticket is never issued for another host', () => {
  expect(tickets.read(tickets.issue('//evil'))).toBe('/');
  expect(tickets.read(tickets.issue('https://evil/'))).toBe('/');
});

it('a ticket for the longest path fits the limit', () => {
  const path = `/${'a'.repeat(LIMITS.returnPathChars - 1)}`;
  expect(tickets.read(tickets.issue(path))).toBe(path);
});
