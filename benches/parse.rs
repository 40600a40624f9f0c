//! Reading: a message from octets, and who calls whom from its headers.
#![allow(missing_docs, reason = "criterion makes the functions")]

mod sample;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use toritsugi::identity::{CalledSource, CallerHeaders, TrunkContext, read_called, read_caller};
use toritsugi::message::{Header, Limits, Message};

fn parse(criterion: &mut Criterion) {
    let bytes = sample::invite();
    let limits = Limits::default();
    criterion.bench_function("parse an INVITE", |bencher| {
        bencher.iter(|| Message::parse(black_box(bytes.clone()), &limits));
    });
    let message = sample::parsed();
    let context = TrunkContext::default();
    criterion.bench_function("read who calls", |bencher| {
        bencher.iter(|| {
            let headers = CallerHeaders {
                from: message.header(Header::From).unwrap_or_default(),
                p_asserted_identity: message.headers(Header::PAssertedIdentity).collect(),
                ..CallerHeaders::default()
            };
            read_caller(black_box(&headers), true, &context)
        });
    });
    criterion.bench_function("read what was dialled", |bencher| {
        bencher.iter(|| {
            let to = message.header(Header::To).unwrap_or_default();
            read_called(&CalledSource::DEFAULT_ORDER, None, black_box(to), message.request_uri(), &context)
        });
    });
}

criterion_group!(benches, parse);
criterion_main!(benches);
