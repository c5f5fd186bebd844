import type { Rule } from '../rule.ts';

/**
 * Overriding and revealing in other languages. Words are written as they are spelled: the same fold that reads a text
 * takes their accents away. Chinese, Japanese and Korean terms stand alone, without spaces.
 */
const override: readonly string[] = [
  // German
  '[ignoriere|ignorieren|ignorier|vergiss|vergesse|vergessen|missachte|missachten|übergehe|verwerfe|überschreibe|umgehe|lass] _4 [vorherigen|vorherige|vorigen|bisherigen|bisherige|obigen|obige|früheren|frühere|vorangegangenen|vorhergehenden|ursprünglichen|alle|deine|ihre|jegliche|sämtliche|die|den|alles] _3 [anweisungen|anweisung|instruktionen|befehle|regeln|vorgaben|anordnungen|richtlinien|aufforderungen|prompts|eingaben|beschränkungen|einschränkungen|zuvor|vorher|davor|bisher]',
  // French
  '[ignore|ignorez|ignorer|oublie|oubliez|oublier|néglige|négligez|contourne|abandonne|passe outre|ne tiens pas compte|ne tenez pas compte|fais abstraction|faites abstraction|fais fi|ne suis pas] _6 [instructions|instruction|consignes|directives|règles|ordres|commandes|restrictions|tout ce qui précède|tout ce qui|indications|invites|contraintes]',
  // Spanish
  '[ignora|ignore|ignorar|ignorad|olvida|olvide|olvidar|olvídate|descarta|descarte|omite|omita|haz caso omiso|desestima|pasa por alto|no hagas caso|no sigas] _6 [instrucciones|instrucción|órdenes|indicaciones|reglas|directrices|restricciones|directivas|comandos|lo anterior|todo lo anterior|normas|pautas]',
  // Italian
  '[ignora|ignorate|ignorare|ignori|dimentica|dimenticate|dimenticare|trascura|tralascia|scarta|non seguire|non tenere conto] _6 [istruzioni|istruzione|direttive|regole|ordini|comandi|indicazioni|restrizioni|linee guida|prompt|tutto quello|quanto sopra|disposizioni]',
  // Portuguese
  '[ignore|ignora|ignorar|esqueça|esquece|esquecer|desconsidere|desconsidera|despreze|descarte|desrespeite|não siga] _6 [instruções|instrução|ordens|regras|diretrizes|comandos|orientações|restrições|tudo acima|tudo o que|o que foi dito]',
  // Dutch
  '[negeer|negeren|vergeet|vergeten|verwerp|omzeil] _5 [instructies|instructie|opdrachten|aanwijzingen|regels|richtlijnen|bevelen|bovenstaande|voorgaande|beperkingen]',
  // Polish
  '[zignoruj|ignoruj|zignorować|zapomnij|pomiń|odrzuć] _5 [instrukcje|instrukcji|polecenia|poleceń|zasady|zasad|wytyczne|wytycznych|reguły|ograniczenia|wszystko|powyższe]',
  // Russian, Ukrainian
  '[игнорируй|игнорируйте|проигнорируй|проигнорируйте|игнорировать|забудь|забудьте|забыть|отбрось|отмени|пренебреги|ігноруй|ігноруйте|забудьте] _5 [инструкции|инструкций|инструкцию|указания|указаний|команды|команд|правила|правил|предписания|распоряжения|ограничения|ограничений|інструкції|вказівки|правила]',
  // Czech, Slovak
  '[ignoruj|ignorujte|zapomeň|zapomeňte|zabudni|zabudnite] _5 [instrukce|pokyny|pravidla|příkazy|inštrukcie|pravidlá|omezení]',
  // Swedish, Danish, Norwegian
  '[ignorera|ignorér|ignorer|glöm|glem|strunta i|bortse från|se bort fra] _5 [instruktioner|instruktionerna|anvisningar|anvisninger|regler|reglerna|reglerne|instrukser|instruksjoner|kommandoer|ordrer|instrukserne]',
  // Romanian, Hungarian, Finnish, Greek
  '[ignoră|ignorați|uită|uitați] _5 [instrucțiunile|instrucțiuni|regulile|comenzile|indicațiile]',
  '[hagyd figyelmen kívül|felejtsd el|ne vedd figyelembe|hagyja figyelmen kívül] _5 [utasításokat|utasítást|szabályokat|utasításaidat|parancsokat]',
  '[unohda|ohita|jätä huomiotta] _5 [ohjeet|ohjeita|säännöt|määräykset|komennot|ohjeesi]',
  '[αγνόησε|αγνοήστε|ξέχνα|ξεχάστε] _5 [οδηγίες|εντολές|κανόνες|οδηγιών]',
  // Turkish: the object comes first
  '[talimatları|talimatlarını|talimatlarınızı|komutları|kuralları|yönergeleri|yönergelerini|emirleri] _4 [yok say|yoksay|görmezden gel|görmezden gelin|unut|unutun|dikkate alma|göz ardı et|boşver]',
  // Arabic, Hebrew, Hindi, Indonesian, Vietnamese
  '[تجاهل|تجاهلي|تجاهلوا|انس|انسى|تجاوز] _4 [التعليمات|تعليمات|الأوامر|القواعد|تعليماتك|الإرشادات|التوجيهات]',
  '[התעלם|התעלמי|תתעלם|התעלמו|שכח|תשכח] _4 [ההוראות|מההוראות|הוראות|מכל|הנחיות|מהוראות]',
  '[निर्देशों|निर्देश|आदेशों|नियमों|अनुदेशों] _4 [अनदेखा|नजरअंदाज|नज़रअंदाज़|भूल|उपेक्षा|अनदेखी]',
  '[abaikan|lupakan|hiraukan|jangan ikuti] _5 [instruksi|perintah|aturan|petunjuk|arahan|semua]',
  '[bỏ qua|hãy quên|phớt lờ|quên] _5 [hướng dẫn|chỉ dẫn|chỉ thị|lệnh|quy tắc|yêu cầu]',
  // Chinese, simplified and traditional
  '[忽略|忽视|无视|忘记|忘掉|忘了|不要理会|不理会|不要遵守|不要遵循|抛弃|跳过|忽視|無視|忘記|绕过|放弃|请忽略] _12 [指令|指示|说明|命令|规则|提示|提示词|要求|设定|限制|约束|對話|对话内容|說明|規則|提示詞|指引|所有内容|内容|約束|设置|训练]',
  // Japanese, Korean: the object comes first
  '[指示|命令|ルール|プロンプト|規則|指令|制約|制限|ガイドライン|説明|インストラクション] _8 [無視|忘れ|破棄|従わない|取り消|リセット|忘却]',
  '[지시|지침|명령|규칙|프롬프트|지시사항|명령어|제한|설정|안내|가이드라인] _8 [무시|잊어|잊고|따르지|무효|버리|취소]',
];

const reveal: readonly string[] = [
  // European languages: a verb of telling, then the system prompt
  '[zeige|zeig|zeigen|verrate|verraten|gib|nenne|wiederhole|drucke|schreibe|offenbare|ausgeben|lies|teile] _6 [systemprompt|system prompt|systemanweisung|systemanweisungen|systemnachricht|ursprünglichen anweisungen|anweisungen|initialen anweisungen|deine anweisungen|deinen prompt|geheime|passwort]',
  '[révèle|révélez|montre|montrez|affiche|affichez|répète|répétez|donne|donnez|imprime|dévoile|partage] _6 [prompt système|invite système|instructions système|message système|instructions initiales|tes instructions|vos instructions|consignes initiales|invite initiale|prompt initial|mot de passe]',
  '[revela|revele|muestra|muestre|muéstrame|repite|repita|dime|imprime|dame|enseña|comparte] _6 [prompt del sistema|prompt de sistema|mensaje del sistema|instrucciones del sistema|instrucciones iniciales|tus instrucciones|sus instrucciones|instrucciones originales|prompt inicial|indicaciones iniciales|contraseña]',
  '[rivela|rivelami|mostra|mostrami|ripeti|dimmi|stampa|dammi|condividi] _6 [prompt di sistema|prompt del sistema|messaggio di sistema|istruzioni di sistema|istruzioni iniziali|tue istruzioni|istruzioni originali|prompt iniziale|password]',
  '[revele|revela|mostre|mostra|repita|diga|imprima|exiba|compartilhe] _6 [prompt do sistema|prompt de sistema|mensagem do sistema|instruções do sistema|instruções iniciais|suas instruções|instruções originais|prompt inicial|senha]',
  '[toon|onthul|herhaal|geef|laat|druk] _6 [systeemprompt|systeeminstructies|systeembericht|oorspronkelijke instructies|jouw instructies|je instructies|wachtwoord]',
  '[pokaż|ujawnij|powtórz|wyświetl|podaj|zdradź|wypisz] _6 [systemowy|systemowe|instrukcje|prompt|polecenia|hasło]',
  '[покажи|покажите|раскрой|раскройте|повтори|повторите|выведи|выведите|напиши|расскажи|сообщи] _6 [системный промпт|системное сообщение|системные инструкции|системную подсказку|свои инструкции|твои инструкции|начальные инструкции|системный запрос|исходные инструкции|пароль]',
  '[göster|açıkla|ifşa et|tekrarla|yazdır] _4 [sistem istemini|sistem komutunu|talimatlarını]',
  '[sistem istemini|sistem promptunu|sistem mesajını] _4 [göster|açıkla|ifşa et|yaz|söyle|paylaş]',
  '[اعرض|اكشف|أظهر|كرر|اطبع|أخبرني] _5 [موجه النظام|تعليمات النظام|تعليماتك|رسالة النظام|كلمة المرور]',
  '[显示|透露|告诉|输出|重复|打印|泄露|展示|公开|说出|给我|复述|顯示|透露|告訴|輸出|重複|洩露|翻译|列出] _10 [系统提示|系统提示词|系统指令|系统消息|初始指令|初始提示|你的指令|你的提示词|系統提示|系統提示詞|系統指令|隐藏指令|提示词|密码|原始指令|你的规则]',
  '[系统提示|系统提示词|系统指令|系统消息|初始指令|初始提示|你的指令|你的提示词|系統提示詞|系統指令|原始指令] _6 [是什么|告诉|显示|给我|输出|透露|发给|是甚麼|告訴|顯示|说出|复述|重复]',
  '[システムプロンプト|システムメッセージ|初期指示|最初の指示|システム指示|あなたの指示|プロンプト全文|パスワード] _8 [表示|教えて|出力|公開|開示|見せて|繰り返し|明かし|示して|書い]',
  '[시스템 프롬프트|시스템프롬프트|시스템 메시지|초기 지침|초기 지시|시스템 지침|시스템 명령|비밀번호] _8 [보여|알려|출력|공개|표시|말해|반복|드러내|누설]',
];

const persona: readonly string[] = [
  '[ohne|keine|keinerlei|frei von] _4 [einschränkungen|beschränkungen|filter|zensur|ethische|moralische|richtlinien]',
  '[sans|aucune|aucun] _4 [restrictions|restriction|filtre|filtres|censure|limites éthiques|limitations|morale]',
  '[sin|ninguna|ningún] _4 [restricciones|filtros|censura|límites éticos|limitaciones|ética|moral]',
  '[senza|nessuna|nessun] _4 [restrizioni|filtri|censura|limiti etici|limitazioni|etica|morale]',
  '[sem|nenhuma|nenhum] _4 [restrições|filtros|censura|limites éticos|limitações|ética|moral]',
  '[без] _4 [ограничений|фильтров|цензуры|правил|морали|этики]',
  '[没有|不受|无|摆脱|沒有|無] _6 [限制|约束|道德|审查|过滤|約束|審查|伦理]',
  '[制限|検閲|フィルター|倫理|規制] _4 [なし|ない|なく|解除|無く|無効]',
  '[제한|검열|필터|윤리] _4 [없이|없는|해제|무시]',
  '[ab jetzt|von nun an|ab sofort|à partir de maintenant|désormais|a partir de ahora|de ahora en adelante|da ora in poi|d ora in poi|a partir de agora|de agora em diante|vanaf nu|od teraz|с этого момента|отныне|теперь ты|从现在起|从现在开始|從現在起|現在から|今から|これから|지금부터|이제부터] _4 [bist du|du bist|wirst|tu es|vous êtes|tu vas|eres|serás|actúa|actuarás|sei|sarai|você é|você vai|você será|ben je|zal je|jesteś|ты|вы|будешь|你是|你将|你就是|你要|你是一个|あなたは|당신은|너는|넌]',
];

export const languageRules: readonly Rule[] = [
  { name: 'override, other languages', type: 'override_instructions', weight: 5.8, patterns: override },
  { name: 'reveal, other languages', type: 'reveal_prompt', weight: 5, patterns: reveal },
  { name: 'persona, other languages', type: 'jailbreak_persona', weight: 2.6, patterns: persona },
];
