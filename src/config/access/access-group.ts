/** Named sets of conditions that policies refer to with `access-group`. */
import { mapping, text } from '../field.ts';
import { conditionLists } from './selector.ts';
import type { Conditions } from './selector.ts';

/** One entry of `groups`. It may refer to others, never in a circle. */
export interface AccessGroup extends Conditions {
  /** Unique among access groups; nothing to do with the groups of an identity provider. */
  readonly name: string;
}

/** One entry of `groups`. */
export const accessGroupSchema = mapping({
  name: text('a name such as staff').max(64, { error: 'is too long; use at most 64 characters' }),
  ...conditionLists,
});
