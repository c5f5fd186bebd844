import { type ImageSize, imageSize } from './image-size.ts';

/**
 * How a model's vendor counts an image. Tiles (OpenAI, vision guide, 2026): fitted into 2048 pixels a side, the shorter
 * side then 768, cut into squares of 512; `detail: low` is the base alone. Patches (same guide): squares of 32 pixels,
 * at most `most`, times a factor. Area (Anthropic, vision guide, 2026): pixels through 750, at most `most`.
 */
export type ImageRule =
  | { readonly by: 'tiles'; readonly base: number; readonly tile: number }
  | { readonly by: 'patches'; readonly most: number; readonly factor_percent: number }
  | { readonly by: 'area'; readonly pixels_per_token: number; readonly most: number };

/** An image of a request, as far as it is known. */
export interface ImagePart {
  readonly base64?: string;
  readonly detail?: string;
}

/** Most tokens an image costs with any provider we know: gpt-4o-mini's base of 2,833 and eight tiles of 5,667. */
export const imageTokensMax = 48_169;

/**
 * An upper bound of what an image costs: by its size where its head tells it, else by the largest there is. A model whose
 * rule nobody wrote down costs the most there is.
 */
export function imageTokens(rule: ImageRule | undefined, image: ImagePart): number {
  if (rule === undefined) return imageTokensMax;
  if (rule.by === 'tiles' && image.detail === 'low') return rule.base;
  const size = image.base64 === undefined ? undefined : imageSize(image.base64);
  switch (rule.by) {
    case 'tiles':
      return rule.base + rule.tile * (size === undefined ? tilesMax : tiles(size));
    case 'patches': {
      const patches = size === undefined ? rule.most : Math.ceil(size.width / 32) * Math.ceil(size.height / 32);
      return Math.ceil((Math.min(patches, rule.most) * rule.factor_percent) / 100);
    }
    case 'area':
      return size === undefined
        ? rule.most
        : Math.min(rule.most, Math.ceil((size.width * size.height) / rule.pixels_per_token));
  }
}

/** 2048 by 768. */
const tilesMax = 8;

/** A small image counts as if it were made larger to 768: the guide does not say that it is not. */
function tiles({ width, height }: ImageSize): number {
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  const fitted = Math.min(2048, (long * 768) / short);
  // The shorter side is 768 at most: two squares.
  return Math.min(tilesMax, 2 * Math.ceil(fitted / 512));
}
