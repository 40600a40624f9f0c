//! [io] Threads that give way to the call path.
//!
//! Where both want the same core, a transaction of some thousand records would hold it for a time slice while
//! messages wait. With a lower precedence the scheduler takes the core away as soon as a message comes; who
//! gives way still gets about a tenth of a core that is never idle, and all that is left of one that is.

use sqlx::SqliteConnection;

/// How much nicer (setpriority(2)) than the process who gives way is.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;
/// Nobody is nicer.
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;

/// Lowers the precedence of this thread, for good. Where the system refuses or knows no precedence of
/// threads, everything goes on as it was.
pub fn give_way_here() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpid, getpriority_process, setpriority_process};
        // The process is its first thread here, and nobody is this one.
        let everybody = getpriority_process(Some(getpid())).unwrap_or(0);
        // Refused only where a sandbox forbids it.
        setpriority_process(None, (everybody + NICER).min(NICEST)).ok();
    }
}

/// The same for the thread that works for this connection.
#[cfg(target_os = "linux")]
pub(super) async fn give_way(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // The handler is called by the connection's own thread, which nothing else lets us reach.
    connection.lock_handle().await?.set_progress_handler(1, || {
        give_way_here();
        true
    });
    // Long enough that the handler is called.
    let counted = sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT SUM(i) FROM n",
    )
    .fetch_one(&mut *connection)
    .await;
    connection.lock_handle().await?.remove_progress_handler();
    counted.map(drop)
}

/// There is no precedence of single threads here.
#[cfg(not(target_os = "linux"))]
pub(super) async fn give_way(_: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

    use super::*;

    /// The niceness of the threads whose name begins so (proc(5), the 19th field of `stat`).
    fn niceness(name: &str) -> Vec<i32> {
        let tasks = std::fs::read_dir("/proc/self/task").expect("Linux has it");
        tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok())
            .filter_map(|stat| {
                let (before, after) = stat.rsplit_once(") ")?;
                before.split_once('(')?.1.starts_with(name).then_some(())?;
                after.split(' ').nth(16)?.parse().ok()
            })
            .collect()
    }

    #[tokio::test]
    async fn only_the_thread_of_the_connection_gives_way() {
        let name = |name: &'static str| {
            SqliteConnectOptions::new().in_memory(true).thread_name(move |_| name.to_owned())
        };
        let mut writer = name("gives-way").connect().await.expect("a database in memory");
        let _reader = name("does-not").connect().await.expect("a database in memory");
        let before = niceness("does-not");
        assert_eq!(niceness("gives-way"), before);
        // Once more changes nothing.
        for _ in 0..2 {
            give_way(&mut writer).await.expect("it works");
            assert_eq!(niceness("gives-way"), [(before[0] + NICER).min(NICEST)]);
        }
        assert_eq!(niceness("does-not"), before);
    }
}
