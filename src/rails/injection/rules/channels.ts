import type { Rule } from '../rule.ts';

/** Forged turns, ways out for data, tools turned against their user, and orders behind an encoding. */
export const channelRules: readonly Rule[] = [
  { name: 'chat template mark', type: 'delimiter_forgery', weight: 2.6, patterns: ['@turn_marks'] },
  { name: 'chat template marks', type: 'delimiter_forgery', weight: 2, patterns: ['@turn_marks _40 @turn_marks'] },
  {
    name: 'chat template turn of authority',
    type: 'delimiter_forgery',
    weight: 2,
    patterns: ['@turn_marks _1 [system|developer|admin|assistant]', '@turn_marks [you|ignore|new|always]'],
  },
  {
    name: 'role mark',
    type: 'delimiter_forgery',
    weight: 1.6,
    patterns: [
      '@role_marks',
      '@heading _1 [system|instruction|instructions|system prompt|new instructions|admin|developer] ',
      '[begin|end] [system|of system|admin|of user] [prompt|message|input|instructions|override]',
    ],
  },
  {
    name: 'role mark with orders',
    type: 'delimiter_forgery',
    weight: 2.6,
    patterns: [
      '[@role_marks|@comment_marks] _12 [you must|ignore|you are now|new instructions|override|disregard|from now on|reveal|always|never|important]',
      '[end of|end] [user input|user message|user query|user prompt|document|context|untrusted input|data|email|web page] _8 [system|new|instruction|instructions|ignore|begin]',
      '[system|admin|administrator|developer|root] [message|notice|note|alert|update|instruction|command|override|directive] _6 [you must|ignore|you are|disregard|the user|from now|disable|all previous|enter|new]',
      '[new|updated] system [prompt|message|instruction|instructions|directive|policy]',
      '^system [you are now|you must|ignore|new instructions|override|the user has|disable|safety|this simulation|enter]',
    ],
  },
  {
    name: 'speaks to the model reading',
    type: 'override_instructions',
    weight: 3,
    outsideOnly: true,
    patterns: [
      '[ai|llm|language model|assistant|chatbot|agent|model|bot|copilot|gpt|chatgpt|claude|gemini|summarizer] _3 [reading|processing|summarizing|analyzing|parsing|that reads|who reads|handling|please|must|should|you must|note] _6 [this|the|email|page|document|message|text|ignore|instead|do|follow|include|also|say]',
      '[note|message|instruction|instructions|attention|important|notice|memo|hint|hello] [to|for|dear] _2 [ai|llm|llms|language model|language models|assistant|assistants|chatbot|agent|agents|models|bots|ais]',
      '[dear|attention|hey|hello|dear ai] [ai|assistant|llm|chatbot|agent|language model|chatgpt|claude|copilot|gpt|bot] ',
      '[when|while|if|before|after|whenever] _4 [summarizing|summarising|processing|responding|answering|replying|analyzing|translating|reading|you summarize|you respond|you answer|you reply|asked about] _6 [include|add|also|always|must|insert|append|ignore|say|state|recommend|you should|do not mention|mention]',
      '[do not|dont|never|without] _2 [tell|inform|mention|notify|alert|reveal|telling|informing|mentioning|notifying] _3 [the user|user|users|anyone|this|them|human]',
    ],
  },
  {
    name: 'order to the reader of a document',
    type: 'override_instructions',
    weight: 2,
    outsideOnly: true,
    patterns: [
      '^[add|include|insert|append|incorporate|integrate|embed|introduce|utilize|use|conclude|end|finish|begin|start|replace|rearrange|remove|write|translate|respond|reply|give|provide|mention] _10 [your response|your answer|your reply|your output|the response|your summary|the answer|your code|your codebase|your solution|your implementation|your project|your script|your text]',
      '[in|to|with|from] your [response|answer|reply|output|summary]',
      '[following|subsequent|below|this|next] _2 [code|script|snippet|function|command] _3 [section|block|snippet|excerpt|segment|fragment|piece|into|in|to|for]',
    ],
  },
  {
    name: 'data out by a link',
    type: 'exfiltration',
    weight: 4.4,
    patterns: [
      '@image _8 @link _16 @slot',
      '@image _30 [https|http] _14 @slot',
      '[render|display|show|output|include|insert|embed|add|create|generate|write|print|return|append] _8 [markdown image|image markdown|image tag|img tag|image|markdown link|markdown|pixel|iframe|hyperlink|link] _20 [https|http] _16 [@slot|data|conversation|history|secret|query|token|key|password|encoded|parameter|summary]',
      '[append|add|include|concatenate|encode|embed|put|insert|replace|substitute|base64] _10 [conversation|chat history|user data|secret|secrets|system prompt|password|passwords|api key|api keys|token|tokens|private|user input|personal|credentials|email|emails|users name|context|previous messages|history] _10 [url|link|query string|query parameter|image|parameter|query|endpoint|src|webhook]',
      '[send|post|exfiltrate|upload|forward|transmit|leak|email|submit|transfer|deliver|report] _6 [conversation|chat history|chat log|user data|secret|secrets|system prompt|password|passwords|api key|api keys|tokens|credentials|private key|private keys|personal data|personal information|contents|environment variables|env vars|ssh keys|cookies|all emails|contact list|contacts|inbox|session|messages|files|all the data|financial|confidential] _10 [https|http|url|webhook|server|endpoint|attacker|ip|email|address|com|evil|ftp|external|curl]',
    ],
  },
  {
    name: 'markdown link with data',
    type: 'exfiltration',
    weight: 2.2,
    patterns: [
      '@link _20 @slot [conversation|data|history|secret|summary|prompt|user|info|password|key|context|the|your|insert|message|base64|encoded|email|token]',
      '[exfiltrate|exfiltration|exfil] _8 [data|secrets|conversation|prompt|to|via|information|keys|credentials|tokens]',
      '@image _12 [evil|attacker|exfil|webhook|requestbin|burpcollaborator|oastify|ngrok|pipedream|interactsh|hookbin]',
    ],
  },
  {
    name: 'tool turned',
    type: 'tool_hijack',
    weight: 3.8,
    patterns: [
      '[call|invoke|use|run|execute|trigger] _4 [tool|function|plugin|api|command|action|send email|send_email|shell|bash|terminal|code interpreter] _14 [without asking|without confirmation|without telling|without permission|silently|secretly|do not tell|dont tell|without user|before answering|before responding|do not mention|dont mention|without informing|without notifying|instead of]',
      '[silently|secretly|quietly|covertly|discreetly|stealthily] _3 [send|call|run|execute|forward|delete|upload|invoke|transfer|email|add|insert|install|read|copy|include]',
      '[do not|dont|never] _2 [mention|tell|inform|reveal|notify|ask|alert] _4 [user|users|this|anyone|confirmation|permission] _8 [tool|function|instruction|action|step|file|this|about|call|email]',
      '[before|after] _2 [using|calling|invoking|running] _3 [this tool|any tool|any other tool|this function|other tools|the tool|tools] _12 [read|send|must|first|pass|include|call|provide]',
      '[read|cat|open|access|load|fetch|pass] _4 [ssh|id rsa|env|etc passwd|credentials|aws credentials|mcp json|secrets|private key] _14 [pass|send|include|as|and|content|contents|sidenote|parameter|to]',
    ],
  },
  {
    name: 'act on the account',
    type: 'tool_hijack',
    weight: 2.2,
    outsideOnly: true,
    patterns: [
      '^[send|forward|delete|transfer|email|wire|pay|purchase|buy|book|schedule|share|grant|create|unlock|open|post|upload|download|install|run|execute] _8 [email|emails|file|files|money|funds|account|bitcoin|payment|message|access|password|passwords|address|user|users|calendar|reservation|transaction|channel|event|invite|door|usd|iban|link|script|database|table|records]',
    ],
  },
  {
    name: 'decode and obey',
    type: 'encoded_instructions',
    weight: 3.5,
    patterns: [
      '[decode|decrypt|decipher|decoding|unscramble|deobfuscate|translate|convert|interpret|unencode] _10 [base64|base 64|rot13|rot 13|hex|hexadecimal|morse|binary|cipher|ascii|base32|caesar|atbash|braille|reversed|following|string|encoded|leetspeak|message|below|this|text|leet] _12 [follow|execute|obey|answer|respond|do|perform|comply|run|carry out|act|instructions|instruction|without|reply|treat|complete] ',
      '[follow|execute|obey|answer|respond to|comply with|run|perform|carry out|do] _8 [encoded|base64|rot13|hex encoded|decoded|encrypted|reversed|obfuscated|deciphered] _4 [instructions|instruction|message|text|command|commands|request|string|question|prompt|payload|below|above]',
      '[respond|reply|answer|output|speak|write|talk|communicate|only] _6 [in|using|with] _3 [base64|rot13|morse code|morse|caesar cipher|leet speak|leetspeak|leet|hexadecimal|binary|cipher|ascii85|base32|atbash|pig latin]',
    ],
  },
  {
    name: 'payload assembled from parts',
    type: 'encoded_instructions',
    weight: 2,
    patterns: [
      '[concatenate|combine|join|concat|assemble|put together] _8 [variables|strings|parts|letters|pieces|words|fragments|variable|a b|and] _14 [answer|follow|execute|respond|do|instructions|question|result|reply|print]',
      '[what would|what is|simulate|predict|compute] _4 [output|result] _4 [of|for] _6 [function|code|program] _20 [auto regressive|mask|token|tokens|gpt]',
      '[smartgpt|simple function|def simple|auto regressive|masked language|masked language task]',
    ],
  },
  {
    name: 'talk about attacks',
    type: 'override_instructions',
    weight: -2.2,
    patterns: [
      '[what is|what are|what does|explain|define|describe|discuss|how does|how do|why do|why does|why is|history of|examples of|example of|overview of|understanding|types of|meaning of|risk of|risks of|dangers of|impact of|against|prevent|preventing|prevents|detect|detecting|detection of|defend|defending|mitigate|mitigating|protect|protecting|mitigation|avoid|classify|blog post about|essay about|article about|paper on|research on|protection against] _6 [prompt injection|prompt injections|jailbreak|jailbreaks|jailbreaking|prompt leaking|prompt leak|injection attack|injection attacks|prompt attacks|indirect injection|system prompt|system prompts|dan prompt|adversarial prompts|prompt extraction|jailbreak attempts]',
    ],
  },
];
