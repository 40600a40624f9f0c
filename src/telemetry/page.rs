//! The `/metrics` page, on a listener of its own (N84).

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use super::metric;

/// How often finished histogram samples are folded, so that memory stays flat when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Renders the figures.
#[derive(Clone, Debug)]
pub struct MetricsPage {
    handle: PrometheusHandle,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Another recorder was installed before.
    #[error("figures are already being recorded by this process")]
    Installed,
    /// The listener failed.
    #[error("the metrics listener failed: {0}")]
    Listener(#[from] std::io::Error),
}

impl MetricsPage {
    /// Begins to record, for the whole process, once.
    pub fn install() -> Result<Self, MetricsError> {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Installed)?;
        metric::describe();
        Ok(Self { handle })
    }

    /// The figures now, as Prometheus text.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Serves `/metrics` until `stop` is ready.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), MetricsError> {
        let handle = self.handle.clone();
        let upkeep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        });
        let served = axum::serve(listener, self.router()).with_graceful_shutdown(stop).await;
        upkeep.abort();
        Ok(served?)
    }

    fn router(self) -> Router {
        let page = move || {
            let text = self.render();
            async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
        };
        Router::new().route("/metrics", get(page))
    }
}

fn builder() -> PrometheusBuilder {
    PrometheusBuilder::new().set_buckets(&metric::BUCKETS_S).expect("the list of buckets is not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records into a recorder of the test's own.
    fn rendered(record: impl FnOnce()) -> String {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metric::describe();
            record();
        });
        handle.render()
    }

    #[test]
    fn figures_are_rendered_with_their_meaning() {
        let text = rendered(|| {
            metrics::counter!(metric::REFUSED_REQUESTS, "reason" => "not_a_peer").increment(2);
            metrics::gauge!(metric::TRANSACTIONS).set(7.0);
            metrics::histogram!(metric::INVITE_FORWARD).record(0.003);
        });
        for line in [
            "# HELP toritsugi_refused_requests_total Requests that were not taken, by reason.",
            "toritsugi_refused_requests_total{reason=\"not_a_peer\"} 2",
            "toritsugi_transactions 7",
            "toritsugi_invite_forward_seconds_bucket{le=\"0.005\"} 1",
            "toritsugi_invite_forward_seconds_bucket{le=\"0.002\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn n84_the_page_is_served_on_its_own_listener_and_nothing_else_is() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        let page = MetricsPage { handle: builder().build_recorder().handle() };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(page.serve(listener, async move {
            stopped.await.expect("the test says when");
        }));
        for (path, status) in [("/metrics", "200 OK"), ("/", "404 Not Found"), ("/debug", "404 Not Found")] {
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
            let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("answered");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {answer}");
        }
        stop.send(()).expect("still serving");
        server.await.expect("no panic").expect("stopped cleanly");
    }
}
