import type { TSchema } from 'typebox';
import type { Scope } from './door.ts';
import type { Asker, DecisionPoint } from './point.ts';

/** What an operation is asked with. */
export interface Request {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** A strictly parsed JSON body; for `text`, the text itself. Undefined where none is read. */
  readonly body: unknown;
  readonly requestId: string;
}

/** Something the decision point does when it is asked: one entry makes the route and its place in `openapi.json`. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parameters in braces, as OpenAPI has them. */
  readonly path: string;
  readonly on: 'data' | 'admin' | 'both';
  /** Undefined: open to everybody, and tells nothing about anybody. */
  readonly scope: Scope | undefined;
  readonly summary: string;
  /** Names of the query, and what they are. */
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: TSchema;
  /** The body may be the text of policies as well. */
  readonly takesText?: boolean;
  readonly answer: TSchema;
  /** Of a good answer; default 200. */
  readonly status?: number;
  run(point: DecisionPoint, asked: Request, asker: Asker): unknown;
}
