export { type BudgetPlace, budgetPlaces } from './budget-places.ts';
export { type Complaint, checkCallers } from './check.ts';
export { type BudgetChoice, configuredBudget } from './configured.ts';
export { buildDirectory, DirectoryError, type DirectoryOptions } from './directory.ts';
export type { Directory, Headers, Identity } from './identity.ts';
export { type CreatedKey, createKey, hashKey, isKeyedHash, type NewKey, publicId, randomKey } from './key.ts';
export { type KeyStoreOptions, openKeyStore } from './key-file.ts';
export { type KeyStore, KeyStoreError, type StoredKey } from './key-store.ts';
export { type CallerBudget, type CallerRate, type Limits, nanoUsd, type OnExceed } from './limits.ts';
export { modelRule } from './models.ts';
export { ensureSecretFile, ensureServerSecret } from './secret-file.ts';
export {
  type AuthSettings,
  authSchema,
  type OrganizationSettings,
  organizationsSchema,
  scopeNames,
} from './settings.ts';
