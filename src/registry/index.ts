export type { Manifest, Shelved, VersionView } from './manifest.ts';
export { openPolicyFiles, type PolicyFilesOptions, type Shelf } from './policy-files.ts';
export {
  type LoadOptions,
  openPolicySet,
  type PolicyChange,
  type PolicySet,
  type PolicySetOptions,
} from './policy-set.ts';
export { type Base, keyOf, type PolicyView } from './policy-view.ts';
export { PolicyRefusal } from './publishing.ts';
export { testPolicies } from './run-tests.ts';
