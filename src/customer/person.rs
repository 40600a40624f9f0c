//! Names as they are spoken: own staff by the bare family name, customers with 様.

use super::Language;

/// The family name of somebody of our own, without any honorific.
///
/// Japanese names begin with it (`佐藤 一郎`, `佐藤\u{3000}一郎`); names in Latin letters end with it (`John Smith`)
/// unless a comma or capitals say otherwise (`Smith, John`, `SATO Ichiro`); transcribed ones end with it
/// after a middle dot (`ジョン・スミス`). A single word is the name.
pub fn family_name(full: &str) -> &str {
    let full = strip_honorific(full.trim());
    if let Some((family, _)) = full.split_once([',', '、', '，'])
        && !family.trim().is_empty()
    {
        return family.trim();
    }
    let words: Vec<&str> = full.split_whitespace().collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return full };
    if full.chars().any(is_japanese) {
        return first.rsplit(['・', '＝', '=']).find(|part| !part.is_empty()).unwrap_or(first);
    }
    let mut capitals = words.iter().filter(|word| is_capitals(word));
    match (capitals.next(), capitals.next()) {
        (Some(only), None) if words.len() > 1 => only,
        (Some(_), _) | (None, _) => last,
    }
}

/// The customer's name as it is spoken: with 様 exactly once in Japanese, as it stands in English.
pub fn with_honorific(name: &str, language: Language) -> String {
    let bare = strip_honorific(name.trim());
    match language {
        Language::Ja if bare.is_empty() => "お客様".to_owned(),
        Language::Ja => format!("{bare}様"),
        Language::En => bare.to_owned(),
    }
}

fn strip_honorific(name: &str) -> &str {
    ["様", "さま", "さん", "殿", "氏"]
        .iter()
        .find_map(|title| name.strip_suffix(title).filter(|bare| !bare.trim().is_empty()))
        .unwrap_or(name)
        .trim_end()
}

fn is_japanese(character: char) -> bool {
    matches!(
        character,
        'ぁ'..='ヿ' | '一'..='鿿' | '㐀'..='䶿' | '々' | '豈'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'
    )
}

fn is_capitals(word: &str) -> bool {
    word.chars().count() > 1 && !word.ends_with('.') && word.chars().all(|c| !c.is_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m010_own_staff_are_named_by_the_bare_family_name() {
        let rows = [
            ("佐藤 一郎", "佐藤"),
            ("佐藤\u{3000}一郎", "佐藤"),
            ("佐藤", "佐藤"),
            ("佐藤さん", "佐藤"),
            ("佐藤 一郎 様", "佐藤"),
            ("さくら ももこ", "さくら"),
            ("髙﨑 健", "髙﨑"),
            ("ジョン・スミス", "スミス"),
            ("John Smith", "Smith"),
            ("Mary Ann O'Neill", "O'Neill"),
            ("Smith, John", "Smith"),
            ("SATO Ichiro", "SATO"),
            ("John A. SMITH", "SMITH"),
            ("JOHN SMITH", "SMITH"),
            ("Madonna", "Madonna"),
            ("", ""),
            ("さん", "さん"),
        ];
        for (full, family) in rows {
            assert_eq!(family_name(full), family, "{full}");
        }
    }

    #[test]
    fn m010_a_customer_has_sama_exactly_once() {
        assert_eq!(with_honorific("山田 花子", Language::Ja), "山田 花子様");
        assert_eq!(with_honorific("山田 花子 様", Language::Ja), "山田 花子様");
        assert_eq!(with_honorific("青空商事さん", Language::Ja), "青空商事様");
        assert_eq!(with_honorific(" ", Language::Ja), "お客様");
        assert_eq!(with_honorific("Hanako Yamada", Language::En), "Hanako Yamada");
    }
}
