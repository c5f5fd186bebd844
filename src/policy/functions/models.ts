import { computed, expression, fact, listed, type PolicyFunction } from './function.ts';

/** The shape of a model's name, or of `provider/model`. */
const model = /^[A-Za-z0-9][\w.:/@+-]{0,127}$/;
const kinds = ['input', 'output'];
const prices = {
  price: {
    'gpt-4o': { input_usd_per_mtok: 2.5, output_usd_per_mtok: 10 },
    'gpt-4o-mini': { input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6 },
  },
};

export const modelFunctions: readonly PolicyFunction[] = [
  {
    name: 'estimateTokens',
    family: 'models',
    signatures: ['() double'],
    gives: 'the tokens the call is likely to take',
    cost: 1,
    aliases: ['EstimateTokens', 'GetEstimatedTokens'],
    example: ['estimateTokens()', 400, { llm: { estimatedTokens: 400 } }],
    is: expression(['llm.estimatedTokens']),
  },
  {
    name: 'estimateRequestCost',
    family: 'models',
    signatures: ['() double'],
    gives: 'the dollars the call is likely to cost',
    cost: 1,
    aliases: ['EstimateRequestCost', 'EstimateCost', 'GetEstimatedCost'],
    example: ['estimateRequestCost() > 0.05', true, { llm: { estimatedCost: 0.06 } }],
    is: expression(['llm.estimatedCost']),
  },
  {
    name: 'modelMatches',
    family: 'models',
    signatures: ['(string) bool', '(list(string)) bool'],
    gives: 'whether the model fits a pattern, or one of several, in which `*` stands for anything',
    cost: 50,
    aliases: ['ModelMatches', 'IsModel'],
    example: ['modelMatches("gpt-4o*")', true, { llm: { model: 'gpt-4o-mini' } }],
    is: expression(['pattern', 'globAny(llm.model, pattern)']),
  },
  {
    name: 'hasTool',
    family: 'models',
    signatures: ['(string) bool'],
    gives: 'whether the call offers a tool of this name',
    cost: 10,
    aliases: ['HasTool', 'UsesTool'],
    example: ['hasTool("shell")', true, { llm: { tools: ['shell'] } }],
    is: expression(['tool', 'tool in llm.tools']),
  },
  {
    name: 'modelPrice',
    family: 'models',
    signatures: ['(string, string) double'],
    gives: 'the dollars of a million tokens of a model, `input` or `output`, as the configuration has them today',
    cost: 1,
    aliases: ['ModelPrice', 'GetModelPrice'],
    example: ['modelPrice("gpt-4o", "output")', 10, prices],
    is: fact([model, kinds], (name, kind) => `price.${name}.${kind}_usd_per_mtok`),
  },
  {
    name: 'cheapestModel',
    family: 'models',
    signatures: ['(list(string)) string'],
    gives:
      'of these models the one of which a million tokens in and a million out cost the least; of equal ones the first',
    cost: 10,
    aliases: ['CheapestModel', 'GetCheapestModel'],
    example: ['cheapestModel(["gpt-4o", "gpt-4o-mini"])', 'gpt-4o-mini', prices],
    is: listed(model, (names) => {
      const sums = names.map((name) => kinds.map((kind) => `modelPrice("${name}", "${kind}")`).join(' + '));
      return `leastOf(${JSON.stringify(names)}, [${sums.join(', ')}])`;
    }),
  },
  {
    name: 'leastOf',
    family: 'lists',
    signatures: ['(list(string), list(double)) string'],
    gives: 'the text whose number, at the same place of the other list, is the least; of equal ones the first',
    cost: 10,
    example: ['leastOf(["a", "b"], [2.0, 1.0])', 'b'],
    is: computed(leastOf),
  },
];

function leastOf(names: unknown, figures: unknown): unknown {
  if (!Array.isArray(names) || !Array.isArray(figures) || names.length !== figures.length) return undefined;
  let least: number | undefined;
  for (const [i, figure] of (figures as readonly unknown[]).entries()) {
    if (typeof figure !== 'number' || Number.isNaN(figure)) return undefined;
    if (least === undefined || figure < figures[least]) least = i;
  }
  return least === undefined ? undefined : (names as readonly unknown[])[least];
}
