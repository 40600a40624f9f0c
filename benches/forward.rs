//! Writing the copy of a request that goes on, and of a response that goes back.

mod sample;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use toritsugi::message::{Limits, Message, response};
use toritsugi::proxy::{Branch, DialogCookie, Forward, Secret, forward_request, forward_response};
use toritsugi::transport::Protocol;

fn forward(criterion: &mut Criterion) {
    let request = sample::parsed();
    let secret = Secret::new([7; 16]);
    criterion.bench_function("forward an INVITE", |bencher| {
        bencher.iter(|| {
            let cookie = DialogCookie { call: 4711 }.mint(
                &secret,
                request.call_id(),
                request.from_tag().unwrap_or_default(),
            );
            let record_route = [format!("<sip:192.0.2.1:5060;lr;d={cookie}>")];
            let branch = Branch { slot: 4711, loop_hash: 815 }.mint(&secret);
            forward_request(&Forward {
                request: black_box(&request),
                request_uri: Some(b"sip:a101@192.0.2.2:5060"),
                own_routes: 0,
                drop_routes: true,
                drop_last_route: false,
                record_route: &record_route,
                protocol: Protocol::Udp,
                sent_by: "192.0.2.1:5060",
                branch: &branch,
                max_breadth: None,
                originated: false,
                keep_identity: true,
                hide_user: false,
            })
        });
    });
    let answer = response(&request, 180, None, Some("p1"), &[]);
    let answer = Message::parse(answer, &Limits::default()).expect("our own response is well-formed");
    criterion.bench_function("forward a 180", |bencher| {
        bencher.iter(|| forward_response(black_box(&answer), &[], true));
    });
}

criterion_group!(benches, forward);
criterion_main!(benches);
