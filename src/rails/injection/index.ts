export { type NormalisedText, normalise } from './normalise.ts';
export { injectionRail, injectionScore, measureSlices } from './rail.ts';
export { type InjectionProfile, injectionThresholds, profileOf } from './thresholds.ts';
