//! The configuration: any text is a configuration or a list of faults with their lines.

use std::path::Path;

use toritsugi::config::Config;

/// The text of a file.
pub fn check(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let folder = Path::new("/etc/toritsugi");
    match Config::parse(&text, folder) {
        Ok(config) => assert_eq!(Config::parse(&text, folder), Ok(config)),
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            let lines = text.lines().count();
            for fault in &faults {
                assert!(!fault.what.is_empty());
                assert!(
                    fault.line.is_none_or(|line| (1..=lines + 1).contains(&line)),
                    "{fault:?} of {lines}"
                );
            }
            assert!(faults.is_sorted_by_key(|fault| fault.line), "{faults:?}");
        }
    }
}
