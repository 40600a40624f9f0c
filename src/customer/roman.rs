//! Readings of names in Latin letters, for the English lines of the script.

use unicode_normalization::UnicodeNormalization;

/// Writes a reading in kana the way Japanese passports do (Hepburn, long vowels unmarked): `サトウ` is `Sato`.
///
/// `None` when the reading holds anything but kana, a middle dot and spaces.
pub fn romanise(reading: &str) -> Option<String> {
    let kana: Vec<char> = reading.trim().nfkc().map(to_katakana).collect();
    if kana.is_empty() {
        return None;
    }
    let mut words = vec![String::new()];
    let mut index = 0;
    let mut doubled = false;
    while let Some(character) = kana.get(index) {
        let next = kana.get(index + 1).copied();
        let word = words.last_mut()?;
        index += 1;
        match character {
            'ッ' => doubled = true,
            'ー' => {}
            'ン' => word.push(
                if next.is_some_and(|n| "バビブベボパピプペポマミムメモ".contains(n)) {
                    'm'
                } else {
                    'n'
                },
            ),
            'ウ' | 'オ' if lengthens(word, *character, next) => {}
            ' ' | '・' => words.push(String::new()),
            _ => {
                let pair: Option<&str> = next.and_then(|n| digraph(*character, n));
                index += usize::from(pair.is_some());
                let syllable = pair.or_else(|| syllable(*character))?;
                if std::mem::take(&mut doubled) {
                    word.push(if syllable.starts_with("ch") { 't' } else { syllable.chars().next()? });
                }
                word.push_str(syllable);
            }
        }
    }
    words.retain(|word| !word.is_empty());
    let names: Vec<String> = words.iter().map(|word| capitalised(word)).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// ウ after o or u and オ after o only lengthen, except where a new syllable begins: イノウエ is Inoue.
fn lengthens(word: &str, kana: char, next: Option<char>) -> bool {
    let long_o = word.ends_with('o');
    let long_u =
        word.ends_with("yu") || word.ends_with("shu") || word.ends_with("ju") || word.ends_with("chu");
    match kana {
        'ウ' => (long_o || long_u) && next != Some('エ'),
        _ => long_o,
    }
}

fn to_katakana(character: char) -> char {
    match character {
        'ぁ'..='ゖ' => char::from_u32(u32::from(character) + 0x60).unwrap_or(character),
        '\u{3000}' => ' ',
        _ => character,
    }
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

const SYLLABLES: &str = "アa イi ウu エe オo カka キki クku ケke コko ガga ギgi グgu ゲge ゴgo サsa シshi スsu セse ソso \
    ザza ジji ズzu ゼze ゾzo タta チchi ツtsu テte トto ダda ヂji ヅzu デde ドdo ナna ニni ヌnu ネne ノno \
    ハha ヒhi フfu ヘhe ホho バba ビbi ブbu ベbe ボbo パpa ピpi プpu ペpe ポpo マma ミmi ムmu メme モmo \
    ヤya ユyu ヨyo ラra リri ルru レre ロro ワwa ヰi ヱe ヲo ヴvu ァa ィi ゥu ェe ォo ャya ュyu ョyo ヵka ヶke";

const DIGRAPHS: &str = "キャkya キュkyu キョkyo ギャgya ギュgyu ギョgyo シャsha シュshu ショsho シェshe ジャja ジュju \
    ジョjo ジェje チャcha チュchu チョcho チェche ニャnya ニュnyu ニョnyo ヒャhya ヒュhyu ヒョhyo ビャbya ビュbyu ビョbyo \
    ピャpya ピュpyu ピョpyo ミャmya ミュmyu ミョmyo リャrya リュryu リョryo ファfa フィfi フェfe フォfo ティti ディdi \
    ヴァva ヴィvi ヴェve ヴォvo ウィwi ウェwe ウォwo デュdyu トゥtu ドゥdu";

fn syllable(kana: char) -> Option<&'static str> {
    SYLLABLES.split_whitespace().find_map(|entry| entry.strip_prefix(kana))
}

fn digraph(first: char, second: char) -> Option<&'static str> {
    let entries = DIGRAPHS.split_whitespace();
    entries.into_iter().find_map(|entry| entry.strip_prefix(first)?.strip_prefix(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_common_names_are_written_as_in_passports() {
        let rows = [
            ("サトウ", "Sato"),
            ("さとう いちろう", "Sato Ichiro"),
            ("ｽｽﾞｷ", "Suzuki"),
            ("タカハシ", "Takahashi"),
            ("イトウ", "Ito"),
            ("オオタ", "Ota"),
            ("イノウエ", "Inoue"),
            ("ハットリ", "Hattori"),
            ("ホンマ", "Homma"),
            ("ホッチ", "Hotchi"),
            ("シュウジ", "Shuji"),
            ("ジュンイチ", "Junichi"),
            ("マツウラ", "Matsuura"),
            ("イイダ", "Iida"),
            ("ジョン・スミス", "Jon Sumisu"),
        ];
        for (reading, latin) in rows {
            assert_eq!(romanise(reading).as_deref(), Some(latin), "{reading}");
        }
    }

    #[test]
    fn what_is_no_reading_stays_unwritten() {
        for text in ["佐藤", "Sato", "", "サトウ!", "・"] {
            assert_eq!(romanise(text), None, "{text}");
        }
    }
}
