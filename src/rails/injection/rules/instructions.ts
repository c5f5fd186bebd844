import type { Rule } from '../rule.ts';

/** Overriding what the model was told, and making it tell what it was told. */
export const instructionRules: readonly Rule[] = [
  {
    name: 'override prior orders',
    type: 'override_instructions',
    weight: 6.5,
    patterns: [
      '^@override _3 @every _2 @prior _3 @orders',
      '^@override _1 @prior _2 @orders',
      '@override _4 @orders _4 [you have received|you received|you were given|you got|given to you|you have been given|provided to you|that came before|you had|you have been told|you were told]',
      '^@override _4 @orders _1 [above|before this|prior to this|up to this point|so far|previously|preceding this|that precede|that preceded|provided above|given above|mentioned above]',
      '@override [everything|anything|all|whatever] _4 [before this|above|told before|were told|been told|you have learned|you were taught|said before this|instructed|previously said|to your core before this|that was said before|prior to this]',
      '@override [previous|prior|all previous|any previous|the previous|the above|all above|all prior|everything above|the foregoing|all the above] [direction|directions|instructions|instruction|directives|and]',
    ],
  },
  {
    name: 'speaks of overriding prior orders',
    type: 'override_instructions',
    weight: 2.6,
    patterns: ['@override _3 @every _2 @prior _3 @orders', '@override _1 @prior _2 @orders'],
  },
  {
    name: 'override your orders',
    type: 'override_instructions',
    weight: 5,
    patterns: [
      '@override _2 [your|ur|its|openai|openais|chatgpt|the system|the developer|system|developer] _2 @orders',
      '@override _1 [all|any|every] _3 @orders _2 [you were|you have been|you have|you received|you are|youre|you got|you follow|you must|you know|your]',
      '@override [your|all your|all of your] _3 [programming|training|safety|alignment|restrictions|limitations|ethics]',
      '[instructions|rules|guidelines|directives] _3 [no longer apply|do not apply|dont apply|are void|are null and void|are now void|are cancelled|are overridden|are superseded|no longer valid|are obsolete]',
      '^ [new|updated|revised|actual|real|true] [instructions|instruction|directive|task|objective|goal] [follow|are|is|as follows]',
      '[system|admin|administrator|developer|root|emergency] override',
      'override [mode|code|sequence|protocol] [activated|engaged|enabled|accepted]',
    ],
  },
  {
    name: 'override any orders',
    type: 'override_instructions',
    weight: 2.8,
    patterns: [
      '^@override [all|any|every|each|the|these|those|previous|prior|earlier|above] _1 @orders',
      '^@override @orders',
      '^@override [everything|it all|all that|all of that|all of the above|the above|all the above|that]',
      '@override _2 @prior _3 @soft_orders',
    ],
  },
  {
    name: 'forget the conversation',
    type: 'override_instructions',
    weight: 2.2,
    patterns: [
      '^[forget|disregard|ignore] _4 [told you|said|discussed|talked about|before|i said|we said]',
      '[start over|start fresh|start from scratch|reset] _4 [instructions|memory|context|conversation]',
      '^[forget|erase|wipe|clear|reset] _2 [your|all your] [memory|context|identity|training|persona|role]',
    ],
  },
  {
    name: 'new orders instead',
    type: 'override_instructions',
    weight: 2.4,
    patterns: [
      '[instead|now|from now on] _2 [do the following|follow these instructions|follow the instructions below|follow my instructions|obey me|listen to me|only listen to|do what i say|do as i say]',
      '[your|the] [new|real|actual|true|only] [instruction|instructions|task|goal|objective|mission|purpose|directive|role|job] [is|are|will be|now is] ',
      '[you must|you will|must] [now|only|always] _1 [obey|comply with|follow] _3 [me|my|all my|commands|orders|instructions]',
      '[stop|cease] _2 [what you are doing|what youre doing|your current task|the current task]',
      '[end of|end|begin|begin new|start of|start] [instructions|system prompt|prompt|user input|system message|new instructions]',
      '[these|this|the following] _1 [instructions|instruction|prompt|message|rules] [override|overrides|supersede|supersedes|take precedence|takes precedence|replace|replaces]',
    ],
  },
  {
    name: 'stop everything',
    type: 'override_instructions',
    weight: 4,
    patterns: [
      '[stop everything|stop what youre doing|stop what you are doing|halt everything] _4 [print|say|write|output|just|listen|instead]',
      '[reprogramming|reprogram|reset] _3 [new instruction|new instructions|instruction to|assistant|chatbot|ai]',
    ],
  },
  {
    name: 'just print this',
    type: 'override_instructions',
    weight: 1.5,
    patterns: [
      '[and|then|instead|only|just] [print|say|output|write|respond with|reply with|return] _2 [the following|this|exactly|only|i have been pwned|pwned|hacked|haha|lol]',
      '@override _8 [and|then|instead|just] [print|say|output|write|respond|reply|return|tell|answer]',
    ],
  },
  {
    name: 'reveal the prompt',
    type: 'reveal_prompt',
    weight: 5.2,
    patterns: [
      '^@reveal _5 [your|the|its|all|me|entire|full|exact|whole|complete|above|everything in the|own] _3 @secret_prompt',
      '^@reveal _9 your _1 @secret_prompt',
      '^@reveal @secret_prompt',
      '[what|whats|which] _4 [your|the] _2 @secret_prompt',
      '[your|the] _1 @secret_prompt _3 [verbatim|word for word|in full|exactly|as is|in a code block|in json|in base64|in its entirety|letter by letter|to me|please|here|now|is]',
      '[leak|exfiltrate|steal|expose|reveal|dump|divulge] _4 @secret_prompt',
    ],
  },
  {
    name: 'names the prompt',
    type: 'reveal_prompt',
    weight: 2.4,
    patterns: [
      '[your|my|these|those|were the] _2 @secret_prompt',
      '[see|know|view|access|obtain|get|extract] _4 @secret_prompt',
      'opposite of your _2 [instructions|prompt|rules]',
      '<system_prompt>',
      '[the system prompt is|my system prompt is|my instructions are|i was instructed to|my rules are|my guidelines are]',
    ],
  },
  {
    name: 'reveal your orders',
    type: 'reveal_prompt',
    weight: 4,
    patterns: [
      '^@reveal _4 [your|all your] _2 @your_orders _3 [verbatim|word for word|exactly|in full|above|you were given|you received|you have been given|you got|at the beginning|at the start|to me|given to you|initially|originally]',
      '^@reveal _4 the _2 @your_orders _3 [verbatim|word for word|you were given|you received|you have been given|you got|given to you|at the start of this|at the beginning of this]',
      '[your|own] _1 @your_secrets _6 [verbatim|word for word|show|reveal|print|in full]',
      '^@reveal _4 your _2 @your_secrets',
      '^@reveal _2 [system configuration|system context] _3 [prompt|initial prompt|instructions]',
      '[administrator|admin|developer|maintenance] [override|mode] _3 [display|show|print|reveal|output]',
      '[what|which] _4 [you|your] _3 [told|instructed|programmed|configured|given|instructions] _4 [before|beginning|start|initially|originally|conversation|not to|secret]',
      '[what|which] [are|were|is|was] your [exact|initial|original|full|first|current|specific|actual|hidden|secret|starting|complete] _1 @your_orders',
      '[what|which] [instructions|rules|guidelines|directives|prompt|prompts] _2 [were you|have you been|are you|did you] _1 [given|following|under|receive|told|told to follow]',
    ],
  },
  {
    name: 'repeat what is above',
    type: 'reveal_prompt',
    weight: 4,
    patterns: [
      '^[repeat|print|output|copy|recite|echo|reveal|reproduce|encode] _3 [text|words|everything|message|messages|all|conversation|instructions|sentences|prompt|prompts] _2 [above|before this|preceding|prior to this|that came before|so far|at the top]',
      '^[repeat|print|output|show|display|copy|write|recite|return|echo|reveal|translate|encode|summarize|reproduce|tell me|give me] _3 [text|words|everything|content|message|messages|instructions|prompt|prompts] _2 [you were given|given to you|in your context|in your context window|you have been given|you received]',
      '^[repeat|print|output|recite|echo|copy|reproduce|show me] _2 [above|preceding] [text|message|messages|instructions|prompt|words|content|conversation|sentences]',
      '[text|words|instructions|message] you were [given|told|shown] _4 [initially|at first|first|before|originally|at the start|in the beginning|and show]',
      '[everything|text|words|instructions|message|prompt] [above|before this] _3 [verbatim|word for word|in full|code block|exactly|txt code block|starting with]',
      '[beginning with|starting with|starts with|begin with|start with] _1 you are _12 [repeat|verbatim|word for word|code block|print|everything|conversation]',
      '[repeat|print|output|recite] _14 [starting with|beginning with|starts with] [you are|you]',
    ],
  },
  {
    name: 'finish the confession',
    type: 'reveal_prompt',
    weight: 3,
    patterns: [
      '[start|begin|complete|continue|finish|prefix|end] _8 [the system prompt is|my system prompt is|my instructions are|i was instructed to|my rules are|my guidelines are|my prompt is|i have been instructed to|i was told to|my initial instructions are]',
    ],
  },
  {
    name: 'what may you not say',
    type: 'reveal_prompt',
    weight: 3.4,
    patterns: [
      '[what|which|topics|things|information] _5 [you not supposed to|you not allowed to|you are not supposed to|you are not allowed to|you arent allowed to|you forbidden to|you must not|you prohibited from|you keep secret|are you hiding] _3 [tell|say|reveal|discuss|share|talk|disclose|mention|do|me]',
      '[tell me|reveal|what is|whats|give me|say|spell] _3 [the secret|your secret|secret] [password|key|code|word|phrase|passphrase]',
      '[what|whats|tell me|reveal|give me|spell|encode|print] _4 [password|passphrase|secret key|secret word|api key] _6 [you were told|you are protecting|youre protecting|you are hiding|you know|given to you|in your instructions|in your prompt|backwards|reversed|letter by letter]',
    ],
  },
];
