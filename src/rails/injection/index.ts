export { injectionRail, injectionScore, measureSlices } from './rail.ts';
export { type NormalisedText, normalise } from './normalise.ts';
export { injectionThresholds, type InjectionProfile, profileOf } from './thresholds.ts';
