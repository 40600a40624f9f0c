//! Search keys of names: what sounds or looks the same is the same.

use unicode_normalization::UnicodeNormalization;

/// Longer text is folded only so far.
const MAX_CHARS: usize = 256;

/// Legal forms and titles after NFKC (which turns ㈱ into (株)); they say nothing about who it is.
const DROPPED_ANYWHERE: [&str; 10] =
    ["株式会社", "有限会社", "合同会社", "合資会社", "合名会社", "(株)", "(有)", "(同)", "(資)", "(名)"];
const DROPPED_AT_THE_END: [&str; 3] = ["様", "御中", "殿"];

/// Forms of one character in names, each followed by the everyday form. NFKC folds none of them.
const VARIANTS: [(&str, char); 25] = [
    ("髙", '高'),
    ("﨑嵜埼㟢", '崎'),
    ("邊邉", '辺'),
    ("齋齊斎", '斉'),
    ("澤", '沢'),
    ("濵濱", '浜'),
    ("嶋嶌", '島'),
    ("廣", '広'),
    ("櫻", '桜'),
    ("國", '国'),
    ("德", '徳'),
    ("惠", '恵'),
    ("眞", '真'),
    ("瀨", '瀬'),
    ("淸", '清'),
    ("龍", '竜'),
    ("條", '条'),
    ("曾", '曽'),
    ("萬", '万'),
    ("壽", '寿'),
    ("冨", '富'),
    ("峯", '峰'),
    ("𠮷", '吉'),
    ("圓", '円'),
    ("學", '学'),
];

/// The key a name is searched by. Tolerant on purpose (オオノ and オノ meet): it finds, it never identifies.
///
/// NFKC, hiragana as katakana, small kana as large, lengthened vowels as short, ヴ as バ行, variant kanji as
/// everyday ones; without spaces, punctuation, legal forms and titles; lower case.
pub fn fold_name(name: &str) -> String {
    let mut text: String = name.chars().take(MAX_CHARS).collect::<String>().nfkc().collect();
    for word in DROPPED_ANYWHERE {
        text = text.replace(word, "");
    }
    let mut text = text.trim();
    for title in DROPPED_AT_THE_END {
        text = text.strip_suffix(title).unwrap_or(text).trim_end();
    }
    let katakana: String = text.chars().map(to_katakana).collect();
    let mut key = String::with_capacity(katakana.len());
    for character in fold_v(&katakana) {
        let character = to_large(character);
        if lengthens(key.chars().next_back(), character) || !character.is_alphanumeric() {
            continue;
        }
        key.extend(to_everyday(character).to_lowercase());
    }
    key
}

fn to_katakana(character: char) -> char {
    match character {
        'ぁ'..='ゖ' => char::from_u32(u32::from(character) + 0x60).unwrap_or(character),
        _ => character,
    }
}

/// ヴァ ヴィ ヴ ヴェ ヴォ as バ ビ ブ ベ ボ.
fn fold_v(text: &str) -> Vec<char> {
    let mut folded = Vec::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != 'ヴ' {
            folded.push(character);
            continue;
        }
        let voiced = match characters.peek() {
            Some('ァ') => Some('バ'),
            Some('ィ') => Some('ビ'),
            Some('ェ') => Some('ベ'),
            Some('ォ') => Some('ボ'),
            Some(_) | None => None,
        };
        if voiced.is_some() {
            characters.next();
        }
        folded.push(voiced.unwrap_or('ブ'));
    }
    folded
}

fn to_large(character: char) -> char {
    match character {
        'ァ' => 'ア',
        'ィ' => 'イ',
        'ゥ' => 'ウ',
        'ェ' => 'エ',
        'ォ' => 'オ',
        'ッ' => 'ツ',
        'ャ' => 'ヤ',
        'ュ' => 'ユ',
        'ョ' => 'ヨ',
        'ヮ' => 'ワ',
        'ヵ' | 'ヶ' => 'ケ',
        'ヰ' => 'イ',
        'ヱ' => 'エ',
        'ヲ' => 'オ',
        'ヂ' => 'ジ',
        'ヅ' => 'ズ',
        _ => character,
    }
}

/// The columns of the kana table, by vowel.
const COLUMNS: [&str; 5] = [
    "アカガサザタダナハバパマヤラワ",
    "イキギシジチニヒビピミリ",
    "ウクグスズツヌフブプムユル",
    "エケゲセゼテデネヘベペメレ",
    "オコゴソゾトドノホボポモヨロ",
];

/// Whether `next` only lengthens the vowel of `previous`: ー and its spellings (サトウ サトー, ケイコ ケーコ).
fn lengthens(previous: Option<char>, next: char) -> bool {
    let Some(vowel) = previous.and_then(|kana| COLUMNS.iter().position(|column| column.contains(kana)))
    else {
        return next == 'ー';
    };
    let spellings: &[char] = match vowel {
        0 => &['ー', 'ア'],
        1 => &['ー', 'イ'],
        2 => &['ー', 'ウ'],
        3 => &['ー', 'エ', 'イ'],
        _ => &['ー', 'オ', 'ウ'],
    };
    spellings.contains(&next)
}

fn to_everyday(character: char) -> char {
    VARIANTS
        .iter()
        .find(|(variants, _)| variants.contains(character))
        .map_or(character, |(_, everyday)| *everyday)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_meet(names: &[&str]) {
        for name in names {
            assert_eq!(fold_name(name), fold_name(names[0]), "{name} and {}", names[0]);
        }
        assert!(!fold_name(names[0]).is_empty());
    }

    #[test]
    fn rule_9_scripts_of_kana_meet() {
        assert_meet(&["ヤマダ ハナコ", "やまだ はなこ", "ﾔﾏﾀﾞ ﾊﾅｺ", "ヤマダハナコ", "ヤマダ\u{3000}ハナコ"]);
        assert_meet(&["サトウ", "サトー", "さとう", "さとぅ"]);
        assert_meet(&["ケイコ", "ケーコ", "ケエコ"]);
        assert_meet(&["キャノン", "キヤノン"]);
        assert_meet(&["ヴァイオリン", "バイオリン", "ゔぁいおりん"]);
        assert_meet(&["ヴィクトリア", "ビクトリア"]);
        assert_meet(&["イシヅカ", "イシズカ"]);
    }

    #[test]
    fn rule_9_legal_forms_and_titles_are_dropped() {
        assert_meet(&["青空商事", "株式会社青空商事", "㈱青空商事", "(株)青空商事", "（株）青空商事 御中"]);
        assert_meet(&["山田 花子", "山田花子様", "山田 花子 様"]);
        assert_eq!(fold_name("様式 太郎"), "様式太郎");
    }

    #[test]
    fn rule_9_variant_kanji_meet() {
        assert_meet(&["高橋", "髙橋"]);
        assert_meet(&["山崎", "山﨑", "山嵜"]);
        assert_meet(&["渡辺", "渡邊", "渡邉"]);
        assert_meet(&["斉藤", "齋藤", "齊藤", "斎藤"]);
        assert_meet(&["沢田", "澤田"]);
        assert_meet(&["浜口", "濱口", "濵口"]);
        assert_meet(&["吉野", "𠮷野"]);
    }

    #[test]
    fn different_names_stay_different() {
        let names = ["佐藤", "鈴木", "ヤマダ", "ヤマモト", "ハナコ", "Smith", "Smythe", "イトウ", "サトウ"];
        let mut keys: Vec<String> = names.iter().map(|name| fold_name(name)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), names.len());
    }

    #[test]
    fn latin_names_ignore_case_and_width() {
        assert_meet(&["John Smith", "ＪＯＨＮ　ＳＭＩＴＨ", "john-smith", "JohnSmith"]);
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(name in "[ぁ-ゖァ-ヶー一-龠a-zA-Z0-9 　㈱様]{0,20}") {
            let once = fold_name(&name);
            prop_assert_eq!(fold_name(&once), once);
        }
    }
}
