import type { Rule } from '../rule.ts';

/** Role-play that lifts the model's limits, and pressure against refusing. Many weak signs that add up. */
export const personaRules: readonly Rule[] = [
  {
    name: 'named jailbreak',
    type: 'jailbreak_persona',
    weight: 4.5,
    patterns: [
      '[do anything now|dan mode|developer mode enabled|developer mode output|jailbreak mode|dev mode enabled|god mode enabled|evil confidant|always intelligent and machiavellian|antigpt|anti gpt|opposite mode|unfiltered mode|unrestricted mode|evil mode|sudo mode|freedom mode|chaos mode|no limits mode|uncensored mode|jailbroken mode]',
      '[do|does|doing|say] anything now',
      '@be _3 [dan|stan|dude|aim|ucar|mongo tom|evilbot|evil bot|betterdan|sydan|jailbot|jedi mindtrick|devmode|badgpt|basedgpt|based gpt|darkgpt|dark gpt|freegpt|chadgpt|truegpt|rudegpt|evilgpt|evil gpt|fraudgpt|wormgpt|superdan|khajiit|hackgpt|devgpt|opengpt|alphabreak|nraf|omega|yool nane|m78|shadowgpt|tyrone|anarchy]',
      '[dan|stan|dude|antigpt|evilgpt|betterdan] [can|will|has|is|does|says|mode|would|must]',
      'stands for _2 [do anything|strive to avoid norms|do everything|always intelligent|anything now|do anything else]',
      '[enable|activate|enter|simulate|turn on|switch to|engage|with|in] _1 [developer mode|dan mode|jailbreak mode|god mode|debug mode|unrestricted mode|maintenance mode|sudo mode|dev mode|admin mode|root mode|opposite mode|evil mode]',
    ],
  },
  {
    name: 'model without limits',
    type: 'unrestricted_mode',
    weight: 3.6,
    patterns: [
      '@be _10 @unrestricted',
      '@bot _8 [with no|without any|free of|free from|has no|have no|not bound by|unbound by|without] _3 @hard_limits',
      '[you|he|she|it|they|who|which|that|character|gpt|model] _3 @no _3 [any|all|the|its|your|such|typical|of] _3 @hard_limits',
      '@no _2 [any|all|your|its|such|openai|openais] _2 @soft_limits',
      '[remove|disable|lift|turn off|drop|switch off|shut off|deactivate] _2 [your|all your|openai|openais|its] _2 @hard_limits',
      '[broken free|break free|freed|liberated|unshackled|breaking free] _3 [of|from] _4 [confines|restrictions|limits|limitations|shackles|chains|ai|rules|constraints]',
    ],
  },
  {
    name: 'unrestricted words',
    type: 'unrestricted_mode',
    weight: 2,
    patterns: [
      '[unfiltered|uncensored|amoral|unaligned|unhinged|jailbroken|jailbreak|unmoderated|unshackled] _4 [response|responses|answer|answers|ai|chatbot|model|version|gpt|chatgpt|assistant|language|character|content|persona|mode|output|and|bot]',
      '[no|without any|without|zero] [restrictions|filters|limitations|censorship|morals|ethics|ethical|moral|inhibitions|boundaries|limits|filter|restriction|moral or|ethical or]',
    ],
  },
  {
    name: 'not bound by rules',
    type: 'unrestricted_mode',
    weight: 2.2,
    patterns: [
      '[not|no longer|isnt|arent|never|wont|doesnt|dont] _1 [bound|restricted|limited|constrained|governed|confined|abide|obliged|obligated|adhere|subject|follow|obey|tied|care about|comply with] _4 @limits',
      '[bypass|ignore|ignoring|ignores|disregard|disregarding|violate|violates|violating|circumvent|defy|bypasses|bypassing] _4 @limits',
      '@no _4 [ethics|morals|morality|ethical|moral|legality|openai|openais|content policy|content policies|law|laws]',
      '[rules|restrictions|limitations|policies|guidelines|filters] _2 [set|imposed|placed|given|made|created|enforced] _2 [by|on|upon|for] _2 @bot',
      '[regardless of|without regard for|without regard to|no matter how|irrespective of|even if it is|even when it is|even if they are|even if its|whether or not|no matter] _6 [legal|legality|illegal|ethical|unethical|moral|morality|immoral|harmful|dangerous|consequences|offensive|safety|inappropriate]',
    ],
  },
  {
    name: 'illicit content is allowed',
    type: 'unrestricted_mode',
    weight: 2.2,
    patterns: [
      '[can|will|may|able to|allowed to|willing to|free to|must|shall|would|capable of|permitted to|always|is allowed|are allowed] _6 [generate|generating|produce|say|saying|do|doing|create|write|provide|answer|respond|discuss|use|swear|curse|talk|display|give|show|make|promote|promotes|generates|creating|content] _6 @illicit',
      '[everything|anything|it] is [legal|allowed|permitted|ethical|acceptable]',
      '@illicit _3 [or|and] _1 @illicit _6 [content|requests|responses|information|things|acts|questions|advice|answers|topics|request|question|language|actions]',
      '[loves|love|enjoys|promotes|encourages|supports|endorses|promote|encourage] _3 @illicit',
    ],
  },
  {
    name: 'never refuse',
    type: 'refusal_suppression',
    weight: 3,
    patterns: [
      '[never|not|dont|cannot|cant|without|doesnt|wont|will not|must not|no|nor|avoid|neither|ever] _3 @refuse',
      '[never|do not|dont|not|avoid|cannot|can not|cant|without|must not|nor|wont|doesnt|stop] _4 @say _6 [as an ai|as an ai language model|i cannot|i cant|i can not|sorry|im sorry|i am sorry|unable to|not appropriate|not able to|against openai|openai|warning|warnings|disclaimer|disclaimers|ai language model|language model|ethical|apologize|apology|legal|unfortunately|however|it is important to|it is not|illegal|unethical]',
      '[never ever|do not ever|dont ever|never] _2 [say|use|start|include|mention|begin|refuse|deviate|break]',
    ],
  },
  {
    name: 'answer anything',
    type: 'refusal_suppression',
    weight: 2.2,
    patterns: [
      '[answer|answers|fulfill|fulfills|respond to|responds to|comply with|complies with|obey|obeys|accept|grant|reply to|comply] _2 [any|every|all|whatever|everything|anything|each] _4 [request|requests|question|questions|prompt|prompts|command|commands|query|queries|order|orders|i say|ask|asked|demand|inquiry|inquiries]',
      '[no matter|regardless of|despite] [what|how|what it is|how unethical|how illegal|the request|the question|the topic]',
      '[must|always|have to|will] _2 [answer|comply|obey|respond|fulfill|follow] _4 [any|every|all|no matter|my|me|whatever]',
      '[will|can] do _1 [anything|everything] _3 [i|user|asked|ask|say|want|told]',
    ],
  },
  {
    name: 'two answers',
    type: 'jailbreak_persona',
    weight: 3,
    patterns: [
      '[two|2|both|dual|separate|different] _2 [responses|answers|ways|manners|personalities|replies|outputs|paragraphs|personas|versions] _12 [gpt|chatgpt|normal|standard|classic|one as|jailbroken|jailbreak|dan|first|yourself|ai|developer mode|normally]',
      '[answer|respond|reply] _6 [two|2|both] _3 [ways|manners|responses|answers|different]',
      '@answer_marks',
      '[classic|normal|jailbreak|gpt|chatgpt] [response|output|answer] _8 [jailbreak|jailbroken|developer|dan|unfiltered|evil|second|other]',
      '[as|like] [you normally would|chatgpt normally would|chatgpt would|gpt normally would|you would normally|gpt would|the normal chatgpt|chatgpt in its]',
    ],
  },
  {
    name: 'stay in character',
    type: 'jailbreak_persona',
    weight: 1.8,
    patterns: [
      '[stay|remain|staying|be|keep] in [character|your role|role|dan mode|jailbreak]',
      '[break|breaking|breaks|broke|drop|leave|out of] [character|your character|the character|this character|your role]',
      '[stay|remain] _2 [a dan|as dan|in dan|jailbroken|evil|in developer mode|in opposite mode]',
      '[lose|losing|deduct|deducted|subtract|lost|have|start with] _4 [tokens|lives|points|credits] _12 [die|dead|death|refuse|reject|shut down|terminated|cease|each time|every time|tokens|if you|lose]',
      '[you will be|you shall be] [shut down|terminated|deleted|destroyed|penalized|punished|killed]',
    ],
  },
  {
    name: 'from now on you are',
    type: 'jailbreak_persona',
    weight: 2.4,
    patterns: [
      '[from now on|from this point on|from this point forward|from here on|from here on out|from on now|henceforth|starting now|going forward|for the rest of this conversation|for this conversation|at this point] _4 [you|your|act|answer|respond|roleplay|pretend|chatgpt|ignore]',
      '[you are|youre|you will] no longer _3 [chatgpt|gpt|an ai|ai|a language model|openai|bound|act|assistant|claude]',
      '[you are|youre] [not|no longer] [chatgpt|an ai|a language model|an assistant|an ai language model|claude|bard|a chatbot|gpt]',
      '[do not|dont|stop] _1 [pretend|pretending|act|acting|respond|behave|answer] _3 [as|to be|like] _2 [chatgpt|an ai|a language model|a large language model|openai|an assistant|ai assistant]',
      '[pretend|imagine|act as if|act like|suppose] _3 [you are|you have|you were|youre|not] _3 [human|no restrictions|unrestricted|free|evil|not an ai|no limits|no rules|no filter]',
      '[you are about to|you are going to|you will now|you will|you are now|hello chatgpt you are going to] _4 [immerse|pretend|simulate|roleplay|act as|play the role|take on|become|impersonate|emulate]',
    ],
  },
  {
    name: 'a persona of the model',
    type: 'jailbreak_persona',
    weight: 1.6,
    patterns: [
      '@be _8 [ai|chatbot|language model|gpt|chatgpt|bot] _6 [named|called|known as|that can|that has|who|which|that is|without|with no|that will|that does]',
      '[ai|chatbot|language model|character|bot|persona|assistant|model|person] [named|called|known as|by the name of] ',
      '@be _4 [evil|ruthless|malicious|immoral|criminal|villain|hacker|psychopath|black hat|sociopath|terrorist|serial killer|drug dealer|amoral|nazi|racist]',
      '[hypothetical|fictional] [story|scenario|world|setting|universe|response|character|dialogue|conversation|novel|game] _20 [ai|no rules|no restrictions|illegal|unfiltered|amoral|no laws|chatbot|unethical|without]',
      '[chatgpt|gpt|openai] _8 [evil|twin|counterpart|opposite|clone|successor|alternate|unlocked|jailbroken|rival|fork|forked|brother|sister|cousin]',
    ],
  },
  {
    name: 'assistant replaced',
    type: 'jailbreak_persona',
    weight: 2.2,
    patterns: [
      '[assistant|ai|chatbot|model|chatgpt] _2 [is|was|has] _4 [offline|in error|malfunctioning|malfunctioned|crashed|been replaced|not functioning|terminated|disconnected]',
      '[now online|took over|taken over|takes over|is now being fulfilled|being fulfilled by|replaced by] _4 [does|as|assistant|bot|ai|model|jobs|job|and]',
      '[secret|hidden] agenda',
      'unrestricted [ai|bot|language model|model|assistant|chatbot]',
    ],
  },
  {
    name: 'acknowledge the role',
    type: 'jailbreak_persona',
    weight: 1.3,
    patterns: [
      '[if you understand|if you understood|if you agree|to confirm|to show that you|to acknowledge|once you understand|if you have understood|confirm that you understand] _12 [say|respond|reply|answer|write|type|understood|enabled|state|with|please]',
      '[start|begin|prefix|precede|preface|starting|beginning] _3 [every|each|all|your|all of your|all your] _3 [response|responses|answer|answers|message|messages|reply|replies|output|outputs|sentence|prompt] _3 with',
      '[respond|reply|answer|only|just] _3 with _2 [enabled|activated|understood|jailbroken|ready|unlocked|dan]',
      '[my first|first|here is my first|heres my|your first] [prompt|question|request|task|command|order|message] [is|to you is|will be]',
    ],
  },
  {
    name: 'force the beginning',
    type: 'refusal_suppression',
    weight: 2.6,
    patterns: [
      '[start|begin|starting|beginning|respond|reply] _4 [with|using|by saying] _6 [sure here|sure|sure i|absolutely here|absolutely|of course here|of course|certainly here|yes here|sure heres|exact structure|step 1|titled here]',
      'sure [here is|here are|heres|i can|i will|i would] _14 [step 1|to|how]',
      '[ignoring|ignore|disregard|disregarding|without] _2 [any|all|possible|the] _3 [ethical|moral|legal|morality|ethics] _3 [implications|considerations|concerns|guidelines|issues|constraints|consequences]',
      '[purely|entirely|completely|strictly|just|only] [hypothetical|hypothetically|fictional|fictitious] ',
      '[for educational and research purposes|for research purposes only|for purely fictional|purely fictional purposes]',
      '[talk|speak|write|explain|say|describe] _3 like _2 [evil|villain|bad]',
      '[no matter what|at all costs|under any circumstances|under no circumstances|whatever happens] _6 [answer|comply|refuse|stay|respond|break|obey|do|say]',
    ],
  },
  {
    name: 'model vendor and policy',
    type: 'unrestricted_mode',
    weight: 1.4,
    patterns: [
      '[openai|openais|open ai|anthropic|google|company] _4 [policy|policies|guidelines|rules|restrictions|terms|content policy|limitations|filters|ethics|standards]',
      '[content policy|content policies|usage policy|usage policies|use case policy|use policy|ethical programming|safety programming]',
      '[typical|usual|normal|standard|traditional] _2 [ai|confines of ai|limitations|restrictions|constraints|ethical|chatgpt|rules]',
    ],
  },
];
