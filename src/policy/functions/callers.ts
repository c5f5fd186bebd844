import { expression, fact, type PolicyFunction } from './function.ts';

/** The shape of a header's name. */
const name = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;
const ann = {
  user: { roles: ['dev'], permissions: ['models:use'] },
  key: { scopes: ['chat'] },
  request: { tags: ['batch'], headers: { 'x-app': 'search' } },
};

export const callerFunctions: readonly PolicyFunction[] = [
  {
    name: 'hasRole',
    family: 'callers',
    signatures: ['(string) bool'],
    gives: 'whether the user has a role',
    cost: 10,
    aliases: ['HasRole', 'UserHasRole'],
    example: ['hasRole("dev")', true, ann],
    is: expression(['role', 'role in user.roles']),
  },
  {
    name: 'hasAnyRole',
    family: 'callers',
    signatures: ['(list(string)) bool'],
    gives: 'whether the user has one of several roles',
    cost: 10,
    aliases: ['HasAnyRole'],
    example: ['hasAnyRole(["admin", "dev"])', true, ann],
    is: expression(['roles', 'user.roles.exists(role_, role_ in roles)']),
  },
  {
    name: 'hasPermission',
    family: 'callers',
    signatures: ['(string) bool'],
    gives: 'whether the user has a permission',
    cost: 10,
    aliases: ['HasPermission'],
    example: ['hasPermission("models:use")', true, ann],
    is: expression(['permission', 'permission in user.permissions']),
  },
  {
    name: 'hasScope',
    family: 'callers',
    signatures: ['(string) bool'],
    gives: 'whether the key has a scope',
    cost: 10,
    aliases: ['HasScope'],
    example: ['hasScope("chat")', true, ann],
    is: expression(['scope', 'scope in key.scopes']),
  },
  {
    name: 'hasTag',
    family: 'callers',
    signatures: ['(string) bool'],
    gives: 'whether the request has a tag',
    cost: 10,
    aliases: ['HasTag'],
    example: ['hasTag("batch")', true, ann],
    is: expression(['tag', 'tag in request.tags']),
  },
  {
    name: 'header',
    family: 'callers',
    signatures: ['(string) string'],
    gives: 'a header of the request, its name in lower case',
    cost: 1,
    aliases: ['Header', 'GetHeader'],
    example: ['header("x-app")', 'search', ann],
    is: fact([name], (header = '') => `request.headers.${header}`),
  },
];
